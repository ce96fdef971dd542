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

# In place of pg_cron, which test/recipes has: its calls are made at once, each
# in a session of its own.
$node->safe_psql('reader', q{
	CREATE SCHEMA cron;
	CREATE TABLE cron.job (name text, command text);
	CREATE FUNCTION cron.schedule(name text, schedule text, command text) RETURNS bigint LANGUAGE sql AS
		$$ INSERT INTO cron.job VALUES (name, command) RETURNING 1 $$;
});

my @blocks = readme_blocks('sql');
cmp_ok(scalar @blocks, '>', 10, 'the README has blocks');

# the word vectors that a block reads from where psql runs
my $directory = PostgreSQL::Test::Utils::tempdir();
open(my $file, '>', "$directory/words.vec") or die $!;
print $file "5 4\ninvoice 0.5 0.1 -0.2 0.3\nrefund 0.4 0.2 -0.1 0.3\n\"login\" 1 1 1 1\nlogin -0.3 0.2 0.6 0 \na\\tb 0 0 0 0\n";
close($file);
chdir($directory);

for my $block (@blocks)
{
	my ($first) = split /\n/, $block;
	my ($status, $stdout, $stderr) = $node->psql('reader', $block);
	is($status, 0, $first) or diag($stderr);
	next unless $block =~ /cron\.schedule/;
	for my $command (split /\n/, $node->safe_psql('reader', 'SELECT command FROM cron.job'))
	{
		($status, $stdout, $stderr) = $node->psql('reader', $command);
		is($status, 0, "at its time: $command") or diag($stderr);
		ok(wait_until(
			sub { $node->safe_psql('reader', q{SELECT count(*) FROM textclf_jobs WHERE state IN ('queued', 'running')}) eq '0' }, 60),
			'and the night passes');
	}
}

is( $node->safe_psql('reader', q{SELECT string_agg(word || cardinality(vector), ' ' ORDER BY word COLLATE "C") FROM vectors}),
	'"login"4 a\\tb4 invoice4 login4 refund4', 'word vectors are what the file has');
is( $node->safe_psql('reader', q{SELECT textclf_predict('tickets', 'I was charged twice this month')}),
	'billing', 'what it shows first is answered as it should be');

is($node->safe_psql('reader', 'SELECT count(*), count(queue) FROM mail'), '600|600', 'the backfill leaves no row out');
is( $node->safe_psql('reader', q{INSERT INTO mail (body) VALUES ('the page does not load') RETURNING queue}),
	'technical', 'and what comes in is classified');
is( $node->safe_psql('reader', q{SELECT count(*) FROM textclf_models WHERE name = 'restored'}), '1', 'an encrypted export is a model again');
is($node->safe_psql('reader', q{SELECT DISTINCT state, coalesce(error, '') FROM textclf_jobs WHERE state <> 'cancelled'}), 'done|', 'no job fails');

done_testing();
