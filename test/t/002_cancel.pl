# A training can be stopped at any moment, and leaves nothing.
#
# TEXTCLF_TEST_CANCELS: how many random moments to try.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Utils;
use Test::More;
use TextclfTest;
use Time::HiRes qw(sleep time);

my $cancels = $ENV{TEXTCLF_TEST_CANCELS} || 20;
my $seed = srand($ENV{TEXTCLF_TEST_SEED} || 20);
$ENV{OPENSSL_ia32cap} = '0:0';	# digests take their time on every machine
my $node = start_node('main');

# long enough that reading the rows takes a while, and more than fits the memory
create_rows($node, rows => 30000, words => 40);
my $train = q{SET textclf.training_memory = '16MB'; }
  . q{SELECT model FROM textclf_train('rows', 'doc', 'label', 'victim', }
  . q{'{"epochs": 100000, "units": 16, "embedding_dim": 16, "early_stopping": 0}');};

sub ask { return $node->safe_psql('postgres', $_[0]) }

sub begin_training
{
	my ($session) = @_;

	session_send($session, $train);
	return $node->poll_query_until('postgres',
		"SELECT state = 'active' AND query ~ 'victim' FROM pg_stat_activity WHERE pid = $session->{pid}");
}

# What a stopped training must not have left
sub is_clean
{
	my ($pid) = @_;

	return ask(qq{
		SELECT (SELECT count(*) FROM textclf_version) || ' versions, '
		    || (SELECT count(*) FROM textclf_model) || ' models, '
		    || (SELECT count(*) FROM pg_ls_tmpdir() WHERE name !~ 'textclf') || ' files, '
		    || (SELECT count(*) FROM pg_locks WHERE pid = $pid) || ' locks'}) eq
	  '0 versions, 0 models, 0 files, 0 locks';
}

my $session = session_start($node, 'postgres', 'victim');
my ($slowest, $slow, $unclean, $silent, $dead, $spilled) = (0, 0, 0, 0, 0, 0);
for my $i (1 .. $cancels)
{
	begin_training($session);
	sleep(rand()**2 * 4);
	$spilled++ if ask(q{SELECT count(*) FROM pg_ls_tmpdir() WHERE name !~ 'textclf'}) > 0;
	my $start = time();
	ask("SELECT pg_cancel_backend($session->{pid})");
	my $ended = defined session_wait($session, 30);
	my $took = time() - $start;
	$slowest = $took if $took > $slowest;
	$slow++ if !$ended || $took > 1;
	$silent++ unless $session->{err} =~ /canceling statement due to user request/;
	$unclean++ unless is_clean($session->{pid});
	session_send($session, "SELECT 'alive';");
	$dead++ unless (session_wait($session, 10) // '') eq "alive\n";
	last if $dead;
}
note(sprintf('%d cancels, seed %d, slowest %.3f s, %d with rows on disk', $cancels, $seed, $slowest, $spilled));
is($slow, 0, 'each cancel took less than a second');
is($silent, 0, 'each cancel was reported');
is($unclean, 0, 'no cancel left rows, files or locks');
is($dead, 0, 'the session works after each cancel');
cmp_ok($spilled, '>', 0, 'some trainings had rows on disk');

my $start = time();
session_send($session, "SET statement_timeout = '1500ms'; $train RESET statement_timeout;");
ok(defined session_wait($session, 30), 'a training ends at statement_timeout');
cmp_ok(time() - $start, '<', 2.5, 'within a second');
like($session->{err}, qr/canceling statement due to statement timeout/, 'with its message');
ok(is_clean($session->{pid}), 'and leaves nothing');

begin_training($session);
sleep(1);
$start = time();
ask("SELECT pg_terminate_backend($session->{pid})");
ok( wait_until(sub { ask("SELECT count(*) FROM pg_stat_activity WHERE pid = $session->{pid}") == 0 }, 30),
	'a training ends at pg_terminate_backend');
cmp_ok(time() - $start, '<', 1, 'within a second');
ok(is_clean($session->{pid}), 'and leaves nothing');
session_end($session);

SKIP:
{
	skip 'before PostgreSQL 17 transactions have no time limit', 2 if $node->pg_version < 17;
	$session = session_start($node, 'postgres', 'victim');
	session_send($session, "SET transaction_timeout = '1500ms'; $train");
	ok( wait_until(sub { ask("SELECT count(*) FROM pg_stat_activity WHERE pid = $session->{pid}") == 0 }, 30),
		'a training ends at transaction_timeout');
	ok(is_clean($session->{pid}), 'and leaves nothing');
	session_end($session);
}

# the same session, after a cancel and a rollback, can train
$session = session_start($node, 'postgres', 'victim');
begin_training($session);
sleep(0.5);
ask("SELECT pg_cancel_backend($session->{pid})");
session_wait($session, 30);
session_send($session,
	q{SELECT model, version FROM textclf_train('rows', 'doc', 'label', 'victim', }
	  . q{'{"epochs": 1, "units": 8, "embedding_dim": 8}');});
is(session_wait($session, 120), "victim|1\n", 'a training after a cancelled one succeeds');
session_end($session);

# The digest of a large model ends, too: of the cancels that do not come while its bytes are read
# (which their context tells) few wait for as long as a third of it takes.
ask(q{CREATE TABLE many AS SELECT string_agg('w' || (i * 500 + j), ' ') AS doc, (ARRAY['a', 'b'])[i % 2 + 1] AS label
	FROM generate_series(1, 24) i, generate_series(1, 500) j GROUP BY i; INSERT INTO many SELECT doc, label FROM many});
ask(q{SET client_min_messages = warning; SET textclf.training_memory = '8GB';
	SELECT textclf_train('many', 'doc', 'label', 'large', '{"architecture": "bilstm", "storage": "float32", "min_rows": 1, "units": 1, "embedding_dim": 4096,
		"maxlen": 500, "epochs": 1, "max_seconds": 1, "weight_average": 0, "optimizer": "sgd", "validation_split": 0}')});
my $export = q{SELECT octet_length(textclf_export('large'))};
# What a backend computed is counted, not how long it took, which other programs may prolong.
ask(q{CREATE FUNCTION ticks_of_digest() RETURNS int LANGUAGE plpgsql AS $$
	DECLARE
		whole bytea := (SELECT bytes || '' FROM textclf_version WHERE model = 'large');
		before text := pg_read_file('/proc/self/stat');
	BEGIN
		PERFORM sha256(whole);
		RETURN (SELECT sum(split_part(regexp_replace(stat, '.*\) ', ''), ' ', field)::int * sign)
			FROM (VALUES (before, -1), (pg_read_file('/proc/self/stat'), 1)) s (stat, sign), generate_series(12, 13) field);
	END $$});
my $digest = ask('SELECT ticks_of_digest()');
my ($within, $late) = (0, 0);
$session = session_start($node, 'postgres', 'exporter');
sub ticks
{
	my @field = split(' ', slurp_file("/proc/$session->{pid}/stat") =~ s/.*\) //sr);
	return $field[11] + $field[12];
}
my $all = ticks();
session_send($session, $export . ';');
session_wait($session, 120);
$all = ticks() - $all;
for (1 .. 20)
{
	my $moment = ticks() + rand() * $all * 0.9;
	session_send($session, $export . ';');
	for (1 .. 3000) { last if ticks() >= $moment; sleep(0.01) }
	my $before = ticks();
	kill('INT', $session->{pid});
	session_wait($session, 30);
	next if $session->{err} !~ /canceling statement/ || $session->{err} =~ /reading version/;
	$within++;
	$late++ if ticks() - $before > $digest / 3;
}
note(sprintf('an export computes %d ticks, its digest %d; %d cancels within it, %d of them late', $all, $digest, $within, $late));
cmp_ok($within, '>', 2, 'a digest is cancelled');
cmp_ok($late, '<=', $within / 3, 'and ends soon');
session_end($session);

done_testing();
