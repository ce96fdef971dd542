# pg_dump carries models, versions, the deployed version, owners and grants, but no
# number of a role that is gone: elsewhere it may be another role's.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Utils;
use Test::More;
use TextclfTest;

my $node = start_node('main');
create_rows($node);
$node->safe_psql(
	'postgres', q{
	SET client_min_messages = warning;
	CREATE ROLE "Alice o'Hara";
	CREATE ROLE bob;
	GRANT SELECT ON rows TO "Alice o'Hara";
	SET ROLE "Alice o'Hara";
	SELECT textclf_train('rows', 'doc', 'label', 'my "news"', '{"epochs": 2, "units": 8}');
	SELECT textclf_train('rows', 'doc', 'label', 'my "news"', '{"epochs": 3, "units": 8, "deploy": "never"}');
	SELECT textclf_grant('my "news"', 'bob');
	RESET ROLE;
	SELECT textclf_train('rows', 'doc', 'label', 'plain', '{"epochs": 1, "units": 8}');
	SELECT textclf_train('rows', 'doc', 'label', 'plain', '{"epochs": 1, "units": 8}');
	SELECT textclf_deploy('plain', 1);
});

$node->safe_psql('postgres', q{SELECT textclf_train_background('rows', 'doc', 'label', 'job', '{"architecture": "linear"}')});
ok(wait_until(sub { $node->safe_psql('postgres', 'SELECT state FROM textclf_jobs') eq 'done' }, 60), 'a job gets done');

my %questions = (
	'models' => q{SELECT to_jsonb(m) FROM textclf_models m ORDER BY name, version},
	'deployments' => q{SELECT * FROM textclf_deployment ORDER BY 1, 2},
	'digests' => q{SELECT model, version, digest, sha256(bytes) FROM textclf_version ORDER BY 1, 2},
	'permissions' => q{SELECT * FROM textclf_permission ORDER BY 1, 2},
	'probabilities' => q{
		SELECT p.* FROM rows, LATERAL textclf_predict_proba('my "news"@2', doc) p
		ORDER BY doc, p.label LIMIT 60},
	'a granted role may predict' =>
	  q{SET ROLE bob; SELECT textclf_predict('my "news"', 'the goal of the match')},);

my $dump = "${PostgreSQL::Test::Utils::tmp_check}/dump.sql";
$node->command_ok([ 'pg_dump', '-f', $dump, 'postgres' ], 'dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok(
	[ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'restored', '-f', $dump ],
	'restore');

for my $what (sort keys %questions)
{
	my $before = $node->safe_psql('postgres', $questions{$what});
	isnt($before, '', "$what: something to compare");
	is($node->safe_psql('restored', $questions{$what}), $before, "$what: the same");
}

is($node->safe_psql('postgres', 'SELECT count(*) FROM textclf_jobs'), '1', 'a job');
is($node->safe_psql('restored', 'SELECT count(*) FROM textclf_jobs'), '0', 'stays where it was');
like(
	sqlstate($node, 'restored', q{CREATE ROLE eve; SET ROLE eve; SELECT textclf_predict('my "news"', 'x')}),
	qr/^42501:/, 'a role without grant may not predict');
is( $node->safe_psql(
		'restored',
		q{SET client_min_messages = warning;
		SELECT version FROM textclf_train('rows', 'doc', 'label', 'plain', '{"epochs": 1, "units": 8}')}),
	'3', 'numbering of versions goes on');

$node->safe_psql(
	'postgres', q{
	CREATE ROLE carol;
	SELECT textclf_import('orphan', textclf_export('plain'));
	SELECT textclf_set_owner('orphan', 'carol'), textclf_grant('plain', 'carol'), textclf_grant('plain', '-');
	DROP ROLE carol;
});
for my $kind ('copy', 'inserts')
{
	$node->command_ok([ 'pg_dump', ('--inserts') x ($kind eq 'inserts'), '-f', $dump, 'postgres' ],
		"$kind: dump with a role that is gone");
	$node->safe_psql('postgres', "CREATE DATABASE $kind");
	$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $kind, '-f', $dump ],
		"$kind: restore");
	is( $node->safe_psql($kind, q{SELECT name, owner FROM textclf_model WHERE name <> 'job' ORDER BY 1}),
		join("\n", q{my "news"|"Alice o'Hara"}, 'orphan|1', 'plain|' . $node->safe_psql('postgres', 'SELECT current_user')),
		"$kind: a model whose owner is gone is nobody's");
	is($node->safe_psql($kind, 'SELECT model, role FROM textclf_permission ORDER BY 1 DESC'),
		qq{plain|-\nmy "news"|bob}, "$kind: what a role that is gone was granted is left out");
	like(sqlstate($node, $kind, q{SET ROLE bob; SELECT textclf_predict('orphan', 'x')}),
		qr/^42501:/, "$kind: nobody's model is not everyone's");
	is($node->safe_psql($kind, q{SELECT ok FROM textclf_verify() WHERE model = 'orphan'}),
		't', "$kind: it is verified like others");
	is($node->safe_psql($kind, q{SELECT textclf_set_owner('orphan', 'bob'); SELECT owner FROM textclf_models WHERE name = 'orphan'}),
		"\nbob", "$kind: a superuser gives it to someone");
}

# what is dumped is found whatever the schema of the extension is called by now
$node->safe_psql('postgres', 'CREATE DATABASE renamed');
$node->safe_psql('renamed', 'CREATE SCHEMA old; CREATE EXTENSION textclf SCHEMA old; ALTER SCHEMA old RENAME TO new');
$node->command_ok([ 'pg_dump', '-f', $dump, 'renamed' ], 'dump with a schema that was renamed');

done_testing();
