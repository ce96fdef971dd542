# Texts that are trained on stay out of error messages, progress reports and the
# server's log, whatever goes wrong.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Utils;
use Test::More;
use TextclfTest;

my $node = start_node('main', conf => q{
log_min_messages = debug1
client_min_messages = debug1
log_error_verbosity = verbose
log_statement = none
log_min_error_statement = panic
log_temp_files = 0
log_lock_waits = on
});

# Words that stand in every text and nowhere else; labels are told, texts are not.
my @secrets = map { "secret" . join('', map { chr(97 + $_) } split //, sprintf('%02d', $_)) } 0 .. 49;
my $secrets = join(',', map { "'$_'" } @secrets);
$node->safe_psql('postgres', qq{
	CREATE TABLE docs AS
	SELECT i, (ARRAY['warm ', 'cold '])[i % 2 + 1] || (ARRAY[$secrets])[i % 50 + 1] || ' ' || (ARRAY[$secrets])[i % 49 + 1] AS doc,
		(ARRAY['warm', 'cold'])[i % 2 + 1] AS label
	FROM generate_series(1, 400) i;
	CREATE VIEW one_class AS SELECT doc, 'x' AS label FROM docs;
	CREATE VIEW few AS SELECT doc, label FROM docs LIMIT 5;
	CREATE VIEW fails AS SELECT doc, label FROM docs WHERE 1 / (i - 300) < 2;
	CREATE VIEW long_labels AS SELECT doc, label || repeat('y', 10000) AS label FROM docs;
	CREATE VIEW null_labels AS SELECT doc, NULL::text AS label FROM docs;
	CREATE VIEW wrong_type AS SELECT doc, now() AS label FROM docs;
	CREATE VIEW no_text AS SELECT doc::bytea AS doc, label FROM docs;
	CREATE VIEW many_classes AS SELECT doc, md5(j::text) AS label FROM docs, generate_series(1, 300) j;
	CREATE TABLE inbox (doc text, label int);
});
$node->safe_psql('postgres', q{CREATE DATABASE bytes TEMPLATE template0 ENCODING SQL_ASCII LOCALE 'C'});
$node->safe_psql('bytes', qq{CREATE EXTENSION textclf; CREATE TABLE docs AS
	SELECT (ARRAY[$secrets])[i % 50 + 1] || CASE WHEN i = 150 THEN E'\\xff' ELSE '' END AS doc, i % 2 AS label FROM generate_series(1, 200) i});

my $train = q{SELECT textclf_train('%s', 'doc', 'label', 'm', '{"epochs": 3, "units": 4%s}')};
my @statements = (
	map({ sprintf($train, $_, '') } qw(docs one_class few fails long_labels null_labels wrong_type no_text)),
	map({ sprintf($train, 'docs', $_) }
		', "deploy": "if_better"', ', "optimizer": "sgd", "learning_rate": 100, "clip_norm": 0, "architecture": "bilstm", "loss": "mse"',
		', "maxlen": 0', ', "num_words": 3', ', "architecture": "lstm", "tokenizer": "keras"', ', "class_weight": "balanced"'),
	q{SET textclf.training_memory = '1MB'; } . sprintf($train, 'many_classes', ', "embedding_dim": 2000'),
	q{SET textclf.max_model_size = '64kB'; } . sprintf($train, 'docs', ', "embedding_dim": 2000'),
	q{SET temp_file_limit = 0; SET textclf.training_memory = '1MB'; } . sprintf($train, 'many_classes', ''),
	q{SET statement_timeout = 50; } . sprintf($train, 'many_classes', ', "epochs": 1000'),
	q{SELECT count(textclf_predict('m', doc)), count(textclf_predict('nobody', doc)) FROM docs},
	q{SELECT count(textclf_probability('m', doc, 'unheard')) FROM docs},
	# arguments confused
	map({ "SELECT $_ FROM (SELECT repeat('warm ', 60) || doc AS doc FROM docs) d" }
		q{textclf_predict(doc, 'm')}, q{textclf_predict('m@' || doc, 'warm')}, q{textclf_probability('m', 'warm', doc)}),
	q{CREATE TRIGGER t BEFORE INSERT ON inbox FOR EACH ROW EXECUTE FUNCTION textclf_classify('m', 'doc', 'label'); INSERT INTO inbox (doc) SELECT doc FROM docs},
	q{DO $$ BEGIN PERFORM textclf_import('x', set_byte(b, i, 255 - get_byte(b, i))) FROM textclf_export('m') b, generate_series(100, 9000, 100) i;
		EXCEPTION WHEN invalid_binary_representation THEN RAISE; END $$});
my $told = '';
my $errors = 0;
for my $statement (@statements)
{
	my ($status, $out, $err) = $node->psql('postgres', $statement, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	$told .= $err;
	$errors++ if $status != 0;
}
for my $statement (sprintf($train, 'docs', ''), q{SELECT count(textclf_tokens('m', doc)) FROM docs})
{
	my ($status, $out, $err) = $node->psql('bytes', $statement, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	$told .= $err;
	$errors++ if $status != 0;
}

# auto_explain, set to tell all: of our own statements, too
my ($status, $out, $err) = $node->psql('postgres', q{
	LOAD 'auto_explain';
	SET auto_explain.log_min_duration = 0; SET auto_explain.log_nested_statements = on; SET auto_explain.log_verbose = on;
	} . sprintf($train, 'docs', '') . q{;
	SELECT textclf_import('copy', textclf_export('m'))});
is($status, 0, 'training and import under auto_explain') or diag($err);

sub found
{
	my ($where) = @_;

	return join(', ', grep { index(lc $where, $_) >= 0 || index($where, unpack('H*', $_)) >= 0 } @secrets);
}
note("$errors errors of " . (@statements + 2) . ' statements');
cmp_ok($errors, '>', 12, 'most of it goes wrong');
is(found($told), '', 'no word of a text is told to the client');
my $log = PostgreSQL::Test::Utils::slurp_file($node->logfile);
is(found($log), '', 'nor to the log of the server');
like($log, qr/Query Text: INSERT INTO public\.textclf_version /, 'which has the statement that stores a model');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE query ~ 'secret[a-j]{2}' AND pid <> pg_backend_pid()}),
	'0', 'nor to pg_stat_activity');

# ---- default privileges, which are meant for other tables ----
$node->safe_psql('postgres', 'CREATE ROLE "an app"; CREATE DATABASE generous');
$node->safe_psql('generous', q{ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO "an app";
	ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO "an app"; CREATE TABLE other (); CREATE EXTENSION textclf});
is( $node->safe_psql(
		'generous', q{SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class
		WHERE relkind IN ('r', 'S') AND relnamespace = 'public'::regnamespace
			AND EXISTS (SELECT FROM aclexplode(relacl) WHERE grantee <> relowner)}),
	'other', 'do not open the tables of the extension');

done_testing();
