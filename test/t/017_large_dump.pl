# A model as large as textclf.max_model_size allows is dumped, restored, and the
# same to the last bit.
#
# TEXTCLF_TEST_MODEL_MB: how large, 32 if not said; 500 is the setting's maximum.
# Server and client take about five times that.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Utils;
use Test::More;
use TextclfTest;

my $megabytes = $ENV{TEXTCLF_TEST_MODEL_MB} || 32;
my $node = start_node('main', conf => "max_wal_size = 4GB\n");
create_rows($node);

# The embedding is what makes it large: as many rows as there are words.
my $words = 2000;
my $dimension = int($megabytes * 1024 * 1024 / $words / 4);
$dimension = 4000 if $dimension > 4000;
$words = int($megabytes * 1024 * 1024 / $dimension / 4);
$node->safe_psql('postgres', qq{
	CREATE TABLE many AS SELECT string_agg('w' || (i * 500 + j), ' ') AS doc, (ARRAY['a', 'b'])[i % 2 + 1] AS label
	FROM generate_series(1, $words / 500) i, generate_series(1, 500) j GROUP BY i;
	INSERT INTO many SELECT doc, label FROM rows});
my $options = qq{{"architecture": "bilstm", "storage": "float32", "min_rows": 1, "units": 1, "embedding_dim": $dimension,
	"maxlen": 500, "epochs": 1, "max_seconds": 1, "weight_average": 0, "optimizer": "sgd", "validation_split": 0}};
$node->safe_psql('postgres', qq{
	SET client_min_messages = warning; SET textclf.training_memory = '8GB'; SET textclf.max_model_size = '500MB';
	SELECT textclf_train('many', 'doc', 'label', 'large', '$options')});
my $size = $node->safe_psql('postgres', 'SELECT max(octet_length(bytes)) / 1024 / 1024 FROM textclf_version');
note("a model of $size MB");
cmp_ok($size, '>=', $megabytes * 0.8, 'a large model');

my $question = q{SELECT encode(sha256(bytes), 'hex'), encode(digest, 'hex') FROM textclf_version};
my $answer = q{SELECT sum(textclf_probability('large', doc, label)) FROM many};
my @before = map { $node->safe_psql('postgres', $_) } $question, $answer;
my $dump = "${PostgreSQL::Test::Utils::tmp_check}/large.sql";
$node->command_ok([ 'pg_dump', '-f', $dump, 'postgres' ], 'dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'restored', '-f', $dump ], 'restore');
unlink $dump;
is($node->safe_psql('restored', $question), $before[0], 'the same SHA-256');
is($node->safe_psql('restored', $answer), $before[1], 'the same predictions');

done_testing();
