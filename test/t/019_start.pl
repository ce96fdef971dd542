# Trainings that begin with a model or with word vectors: what is told, that the
# vectors need no memory, and the same in the background.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Test::More;
use TextclfTest;

my $node = start_node('main');
create_rows($node, rows => 600, words => 10);
$node->safe_psql('postgres', q{
	CREATE SCHEMA elsewhere;
	CREATE TABLE elsewhere.vectors AS
	SELECT word, array_agg(sin(i * length(word) + ascii(word))::real ORDER BY i) AS vector
	FROM unnest(ARRAY['goal', 'price', 'LIGHT', 'match', 'nowhere']) AS word, generate_series(1, 8) AS i GROUP BY word});
my $network = '"architecture": "bilstm", "epochs": 2, "units": 8';
my $train = q{textclf_train('rows', 'doc', 'label', };

sub notices
{
	my ($sql) = @_;
	my ($status, $stdout, $stderr) = $node->psql('postgres', $sql);
	is($status, 0, $sql) or diag($stderr);
	return $stderr;
}

# -- what is told

my $told = notices(qq{SELECT $train 'vectors', '{$network, "embeddings": "elsewhere.vectors"}')});
like($told, qr/NOTICE:  4 of \d+ words have a vector in elsewhere.vectors\n.*NOTICE:  epoch 1/s, 'how many words have a vector is told before it learns');
$told = notices(qq{SELECT $train 'warm', '{"epochs": 1, "warm_start": "vectors"}')});
like($told, qr/NOTICE:  starting from model "vectors\@1": it knows (\d+) of \1 words and 3 of 3 labels\n.*NOTICE:  epoch 1/s, 'so is what the model knows');
unlike(notices(qq{SELECT $train 'plain', '{$network}')}), qr/vector|starting/, 'nothing is told where there is nothing');

# -- vectors need no memory: 120 MB of those that no row has, 6 MB of those that rows have

$node->safe_psql('postgres', q{
	CREATE TABLE many_words AS SELECT string_agg('x' || i * 50 + j, ' ') AS doc, (ARRAY['a', 'b'])[i % 2 + 1] AS label
		FROM generate_series(1, 100) i, generate_series(0, 49) j GROUP BY i;
	INSERT INTO many_words SELECT 'often ' || (ARRAY['yes', 'no'])[i % 2 + 1], (ARRAY['a', 'b'])[i % 2 + 1] FROM generate_series(1, 100) i;
	CREATE TABLE many_vectors AS SELECT 'x' || i AS word, array_fill(i::real, ARRAY[300]) AS vector FROM generate_series(1, 100000) i;
	INSERT INTO many_vectors SELECT word, array_fill(0.5::real, ARRAY[300]) FROM unnest(ARRAY['often', 'yes', 'no']) AS word});
$told = notices(q{SET textclf.training_memory = '8MB'; SET log_temp_files = 0; SET client_min_messages = log;
	SELECT textclf_train('many_words', 'doc', 'label', 'many', '{"architecture": "bilstm", "epochs": 1, "units": 4, "num_words": 40, "min_count": 3, "batch_size": 8,
		"embeddings": "many_vectors"}')});
like($told, qr/NOTICE:  3 of 3 words have a vector/, 'the vocabulary alone counts');
like($told, qr/LOG:  temporary file/, 'vectors of other words in the rows went to a file');

# -- in the background

sub background
{
	my ($model, $options, $role) = @_;
	my $job = $node->safe_psql('postgres', "SET SESSION AUTHORIZATION $role; SET search_path = elsewhere, public;
		SELECT textclf_train_background('rows', 'doc', 'label', '$model', '$options')");
	wait_until(sub { $node->safe_psql('postgres', "SELECT state IN ('done', 'failed') FROM textclf_jobs WHERE job = $job") eq 't' }, 120);
	return $node->safe_psql('postgres', "SELECT state, error FROM textclf_jobs WHERE job = $job");
}

sub same_answers
{
	my ($one, $other) = @_;
	return $node->safe_psql('postgres', "SELECT bool_and(textclf_probability('$one', doc, 'sport') = textclf_probability('$other', doc, 'sport')) FROM rows");
}

$node->safe_psql('postgres', 'CREATE ROLE trainer LOGIN; GRANT SELECT ON rows TO trainer');
my $superuser = $node->safe_psql('postgres', 'SELECT current_user');
is(background('vectors_behind', qq({$network, "embeddings": "vectors"}), $superuser), 'done|', 'a job finds the table that its session named');
is(same_answers('vectors', 'vectors_behind'), 't', 'and makes the same model');
is(background('warm_behind', '{"epochs": 1, "warm_start": "vectors"}', $superuser), 'done|', 'a job starts from a model');
is(same_answers('warm', 'warm_behind'), 't', 'and makes the same model');

like(sqlstate($node, 'postgres', q{SET ROLE trainer; SELECT textclf_train_background('rows', 'doc', 'label', 'mine', '{"warm_start": "vectors"}')}),
	qr/^42501: permission denied for model "vectors"/, 'not from a model of others');
$node->safe_psql('postgres', q{SELECT textclf_grant('vectors', 'trainer')});
is(background('mine', '{"epochs": 1, "warm_start": "vectors"}', 'trainer'), 'done|', 'from one that is granted');
is($node->safe_psql('postgres', q{SELECT owner FROM textclf_models WHERE name = 'mine'}), 'trainer', 'under the role that asked');

is($node->safe_psql('postgres', q{SELECT warm_start, embeddings FROM textclf_models WHERE name IN ('mine', 'vectors_behind') ORDER BY name}),
	"vectors\@1|\n|elsewhere.vectors", 'what they began with is remembered');

# the table goes between the request and the worker
$node->safe_psql('postgres', 'CREATE TABLE elsewhere.passing AS TABLE elsewhere.vectors');
my $job = $node->safe_psql('postgres', qq{BEGIN;
	SELECT textclf_train_background('rows', 'doc', 'label', 'late', '{$network, "embeddings": "elsewhere.passing"}');
	DROP TABLE elsewhere.passing; COMMIT});
wait_until(sub { $node->safe_psql('postgres', "SELECT state FROM textclf_jobs WHERE job = $job") eq 'failed' }, 60);
is($node->safe_psql('postgres', "SELECT error FROM textclf_jobs WHERE job = $job"),
	'42P01: relation "elsewhere.passing" does not exist', 'a table that is gone is an error of the job');

done_testing();
