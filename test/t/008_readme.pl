# Every SQL block of the README runs, in the order in which a reader meets it.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Utils;
use Test::More;
use TextclfTest;

my $node = start_node('main');
$node->safe_psql('postgres', 'CREATE DATABASE reader');

my $readme = PostgreSQL::Test::Utils::slurp_file("$FindBin::RealBin/../../README.md");
my @blocks = $readme =~ /^```sql\n(.*?)^```$/msg;
cmp_ok(scalar @blocks, '>', 10, 'the README has blocks');

for my $block (@blocks)
{
	my ($first) = split /\n/, $block;
	my ($status, $stdout, $stderr) = $node->psql('reader', $block);
	is($status, 0, $first) or diag($stderr);
}

is( $node->safe_psql('reader', q{SELECT textclf_predict('tickets', 'I was charged twice this month')}),
	'billing', 'what it shows first is answered as it should be');

done_testing();
