# An export can be read without textclf: test/reader/reader.py opens it with
# numpy and comes to the same probabilities.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Utils;
use Test::More;
use TextclfTest;

my $reader = "$FindBin::RealBin/../reader/reader.py";
my $node = start_node('main');
create_rows($node);
# numbers that tell something by what they look like alone
# and words that do by their capitals
$node->safe_psql('postgres', q{UPDATE rows SET doc = CASE label WHEN 'sport' THEN initcap(doc) WHEN 'business' THEN upper(doc) ELSE doc END || CASE label WHEN 'sport' THEN ' 08' || 1000 + length(doc) * 7
	WHEN 'business' THEN ' ' || 100 + length(doc) ELSE ' 20' END});

# every architecture; every way of pooling, one and two directions, one and two layers
my %models = (
	'default' => '{"epochs": 2}',
	'halves' => '{"epochs": 2, "storage": "float16"}',
	'bytes' => '{"epochs": 2, "storage": "int8", "architecture": "bilstm"}',
	'int8' => '{"epochs": 2, "precision": "int8", "architecture": "bilstm", "layers": 2, "units": 20}',
	'hybrid' => '{"epochs": 2, "architecture": "hybrid", "char_ngrams": true, "units": 9, "pooling": "mean"}',
	'lower' => '{"epochs": 2, "capitals": false}',
	'linear' => '{"architecture": "linear", "char_ngrams": true}',
	'words' => '{"architecture": "linear", "char_ngrams": false, "wide_c": 1}',
	'bilstm' => '{"epochs": 2, "architecture": "bilstm"}',
	'mean' => '{"epochs": 2, "architecture": "bilstm", "units": 7, "pooling": "mean", "layers": 2}',
	'both' => '{"epochs": 2, "architecture": "bilstm", "units": 10, "pooling": "max_mean"}',
	'last' => '{"epochs": 2, "architecture": "bilstm", "units": 12, "pooling": "last"}',
	'one_way' => '{"epochs": 2, "architecture": "bilstm", "units": 16, "bidirectional": false, "pooling": "max"}',
	'textbook' => '{"epochs": 2, "units": 16, "architecture": "lstm", "tokenizer": "keras", "embedding_dim": 9}',);

# in the vocabulary, out of it, nothing, and longer than some and than all models look at
my @texts = (
	'the goal of the match', 'xyzzy price plugh', '', 'call 08765432 or 9999 or 654', 'What of THE Price and a LIGHT in A1', 'The Goal PRICE LIGHT goal Match', 'THE GOAL Match',
	join(' ', map { "w$_ light" } 1 .. 200),
	join(' ', ('goal') x 1000, ('price light') x 500));

for my $model (sort keys %models)
{
	$node->safe_psql('postgres', qq{SET client_min_messages = warning;
		SELECT textclf_train('rows', 'doc', 'label', '$model', '$models{$model}')});
	my $file = "${PostgreSQL::Test::Utils::tmp_check}/$model.safetensors";
	open(my $out, '>:raw', $file) or die "$file: $!";
	print $out pack('H*', $node->safe_psql('postgres', "SELECT encode(textclf_export('$model'), 'hex')"));
	close($out);

	my $worst = 0;
	for my $text (@texts)
	{
		my %ours = map { split /\|/ } split /\n/, $node->safe_psql('postgres',
			"SELECT label, probability::float8 FROM textclf_predict_proba('$model', '$text')");
		my ($read, $stderr) = PostgreSQL::Test::Utils::run_command([ 'python3', $reader, $file, $text ]);
		my %theirs = map { split /\t/ } split /\n/, $read;
		is_deeply([ sort keys %theirs ], [ sort keys %ours ], "$model: the same labels") or diag($stderr);
		for my $label (keys %ours)
		{
			my $distance = abs($ours{$label} - ($theirs{$label} // 9));
			$worst = $distance if $distance > $worst;
		}
	}
	# on bytes, the last digit of a number may decide about a whole one
	my ($precision) = $node->safe_psql('postgres', "SELECT options ->> 'precision' FROM textclf_models WHERE name = '$model'");
	cmp_ok($worst, '<', $precision eq 'int8' ? 1e-2 : 1e-5, "$model: the same probabilities");
}

done_testing();
