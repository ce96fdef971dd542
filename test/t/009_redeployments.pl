# Sixteen readers while a model is redeployed all the time: no prediction comes
# from a version other than the one that its snapshot sees.
#
# TEXTCLF_TEST_REDEPLOYMENTS: how many.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Utils;
use Test::More;
use TextclfTest;

my $redeployments = $ENV{TEXTCLF_TEST_REDEPLOYMENTS} || 300;
my $node = start_node('main', conf => "max_connections = 40\nlog_statement = none\n");
create_rows($node);

# a label tells the version that it comes from
for my $version (1 .. 3)
{
	$node->safe_psql(
		'postgres', qq{
		SET client_min_messages = warning;
		CREATE VIEW rows_$version AS SELECT doc, '$version ' || label AS label FROM rows;
		SELECT textclf_train('rows_$version', 'doc', 'label', 'm', '{"epochs": 1, "units": 4, "embedding_dim": 4}')});
}
$node->safe_psql(
	'postgres', q{
	CREATE FUNCTION answer() RETURNS text STABLE LANGUAGE plpgsql AS $$
	BEGIN
		RETURN split_part(textclf_predict('m', 'the goal of the match'), ' ', 1);
	END $$;
	CREATE VIEW seen AS SELECT version::text FROM textclf_deployment WHERE model = 'm' ORDER BY number DESC LIMIT 1;
	CREATE VIEW wrong AS SELECT FROM seen WHERE version <> answer() OR version <> ANY (
		SELECT split_part(unnest(textclf_predict('m', ARRAY['the price', 'the light'])), ' ', 1));
});

# Each script fails, and pgbench with it, if an answer is wrong.
my $check = q{SELECT 1 / (count(*) = 0)::int FROM wrong;};
my %readers = (
	'read_committed' => "$check\n",
	'repeatable_read' => qq{
		BEGIN ISOLATION LEVEL REPEATABLE READ;
		SELECT answer() AS first \\gset
		$check
		\\sleep 2 ms
		SELECT 1 / (answer() = :first::text)::int;
		$check
		COMMIT;\n},
	'serializable' => qq{
		BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY;
		$check
		SAVEPOINT a;
		$check
		ROLLBACK TO a;
		$check
		COMMIT;\n},
	'cursor' => q{
		BEGIN;
		DECLARE c CURSOR FOR SELECT 1 / (version = answer())::int FROM seen, generate_series(1, 3);
		FETCH c;
		\sleep 2 ms
		FETCH 2 FROM c;
		CLOSE c;
		COMMIT;} . "\n",
	'own' => qq{
		\\set v random(1, 3)
		BEGIN;
		$check
		SELECT textclf_deploy('m', :v);
		$check
		SELECT 1 / (answer() = :v::text)::int;
		ROLLBACK;
		$check\n});
my @scripts;
for my $name (sort keys %readers)
{
	my $file = "${PostgreSQL::Test::Utils::tmp_check}/$name.pgbench";
	PostgreSQL::Test::Utils::append_to_file($file, $readers{$name});
	push @scripts, '-f', $name eq 'own' ? "$file\@1" : "$file\@8";
}
my $writer = "${PostgreSQL::Test::Utils::tmp_check}/writer.pgbench";
PostgreSQL::Test::Utils::append_to_file($writer, "\\set v random(1, 3)\nSELECT textclf_deploy('m', :v);\n");

sub pgbench
{
	my ($name, @arguments) = @_;
	return ('pgbench', '-n', @arguments, $node->connstr('postgres') . " application_name=$name");
}

my ($out, $err) = ('', '');
my $run = IPC::Run::start([ pgbench('reader', '-c', 16, '-j', 2, '-T', 3600, '-M', 'prepared', @scripts) ], '>', \$out, '2>', \$err);
ok( wait_until(
		sub {
			$run->pump_nb;
			$node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'reader'}) == 16;
		},
		20),
	'sixteen readers') or diag($err);
$node->command_ok([ pgbench('writer', '-c', 1, '-t', $redeployments, '-f', $writer) ],
	"$redeployments redeployments");
my $reading = $node->safe_psql('postgres',
	q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'reader'});
is($reading, '16', 'every reader has had the right answers to the end');

# pgbench ends when its time is over, or here
$node->safe_psql('postgres', q{SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'reader'});
eval { $run->finish };
unlike($err, qr/division by zero/, 'no reader has seen a wrong one');
my $deployed = $node->safe_psql('postgres', q{SELECT count(*) FROM textclf_deployment});
cmp_ok($deployed, '==', $redeployments + 3, 'each redeployment counts once');

done_testing();
