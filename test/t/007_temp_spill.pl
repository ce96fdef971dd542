# Rows beyond textclf.training_memory go to temporary files, which change no
# result and vanish.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Utils;
use Test::More;
use TextclfTest;

my $node = start_node('main', conf => "log_temp_files = 0\n");
create_rows($node, rows => 20000, words => 40);

# With how much memory, and under which name.  Only the network is trained: how
# many n-grams the linear branch learns does depend on the memory.
sub train
{
	my ($memory, $name) = @_;
	return qq{SET client_min_messages = warning; SET textclf.training_memory = '$memory';
		SELECT textclf_train('rows', 'doc', 'label', '$name',
			'{"architecture": "bilstm", "epochs": 1, "units": 8, "embedding_dim": 8}')};
}

sub temporary_files
{
	my $log = PostgreSQL::Test::Utils::slurp_file($node->logfile);
	my @found = $log =~ /temporary file: path/g;
	return scalar @found;
}

$node->safe_psql('postgres', train('256MB', 'roomy'));
is(temporary_files(), 0, 'with much memory no temporary file is written');
$node->safe_psql('postgres', train('8MB', 'tight'));
cmp_ok(temporary_files(), '>', 0, 'with little memory one is');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_ls_tmpdir() WHERE name !~ 'textclf'}), '0', 'and is gone afterwards');

my $answers = q{SELECT md5(string_agg(textclf_probability('%s', doc, label)::text, ',' ORDER BY doc))
	FROM (SELECT * FROM rows ORDER BY doc LIMIT 500) r};
is( $node->safe_psql('postgres', sprintf($answers, 'tight')),
	$node->safe_psql('postgres', sprintf($answers, 'roomy')),
	'both models give the same probabilities to the last bit');

like(
	sqlstate($node, 'postgres', q{SET temp_file_limit = '100kB'; } . train('8MB', 'limited')),
	qr/^53400:/, 'temp_file_limit holds');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_ls_tmpdir() WHERE name !~ 'textclf'}),
	'0', 'and leaves no file');
is($node->safe_psql('postgres', q{SELECT count(*) FROM textclf_models WHERE name = 'limited'}),
	'0', 'and no model');

done_testing();
