# Helpers of a training: the model does not depend on them, they hold no
# snapshot, and they end with it, however it ends.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Test::More;
use TextclfTest;
use Time::HiRes qw(sleep time);

my $node = start_node('main');
create_rows($node, rows => 1500, words => 40);

sub ask { return $node->safe_psql('postgres', $_[0]) }

my $helpers = q{FROM pg_stat_activity WHERE backend_type = 'textclf helper'};
sub helpers { return ask("SELECT count(*) $helpers") }

# A statement that trains; epochs beyond counting unless they are told
sub train
{
	my ($model, $workers, $epochs) = @_;

	my $options = join(', ',
		'"architecture": "bilstm", "batch_size": 256, "units": 32, "embedding_dim": 32, "early_stopping": 0',
		sprintf('"epochs": %d', $epochs // 100000),
		"\"workers\": $workers");
	return "SELECT model FROM textclf_train('rows', 'doc', 'label', '$model', '{$options}');";
}

# The weights of a model: what follows the header of its bytes
sub weights
{
	return ask(qq{SELECT md5(substr(b, 9 + get_byte(b, 0) + (get_byte(b, 1) << 8) + (get_byte(b, 2) << 16)))
		FROM textclf_export('$_[0]') b});
}

# ---- the same model ----
my $session = session_start($node, 'postgres', 'trainer');
my $seen = 0;
for my $workers (0 .. 2)
{
	session_send($session, train("w$workers", $workers, 6));
	wait_until(sub { $seen = $workers if $seen < $workers && helpers() == $workers;
			return defined session_wait($session, 0) }, 120);
	is(helpers(), 0, "$workers helpers: none is left behind");
}
is($seen, 2, 'there were helpers');
is(weights('w1'), weights('w0'), 'one helper changes nothing in the model');
is(weights('w2'), weights('w0'), 'two helpers change nothing in the model');

# ---- what they look like ----
session_send($session, train('endless', 2));
ok(wait_until(sub { helpers() == 2 }, 60), 'helpers are in pg_stat_activity');
is( ask("SELECT count(*) $helpers AND backend_xmin IS NULL AND backend_xid IS NULL AND xact_start IS NULL"),
	'2', 'they have no transaction and no snapshot');
is( ask("SELECT DISTINCT datname, usename = current_user, query $helpers"),
	"postgres|t|training for PID $session->{pid}", 'they tell whom they help');
is( ask(qq{SELECT count(*) FROM pg_locks WHERE pid IN (SELECT pid $helpers)}), '0', 'they hold no locks');

# ---- a helper is ended: the training goes on ----
ask("SELECT pg_terminate_backend(pid) $helpers ORDER BY pid LIMIT 1");
ok(wait_until(sub { helpers() == 1 }, 10), 'a helper ends at pg_terminate_backend');
ask("SELECT pg_terminate_backend(pid) $helpers");
ok(wait_until(sub { helpers() == 0 }, 10), 'and so does the other');
sleep(0.5);
is(ask("SELECT state FROM pg_stat_activity WHERE pid = $session->{pid}"), 'active', 'the training goes on');

# ---- the training is ended: helpers end ----
sub ends_helpers
{
	my ($how, $name) = @_;

	session_send($session, train('endless', 2)) if helpers() == 0;
	wait_until(sub { helpers() == 2 }, 60) or return fail("$name: there are helpers");
	my $start = time();
	ask("SELECT $how($session->{pid})");
	ok(wait_until(sub { helpers() == 0 }, 10), "$name ends the helpers");
	cmp_ok(time() - $start, '<', 4, 'at once');
	return;
}
ask("SELECT pg_cancel_backend($session->{pid})");
ok(defined session_wait($session, 10), 'a cancel ends a training whose helpers have gone');
ends_helpers('pg_cancel_backend', 'pg_cancel_backend');
session_wait($session, 10);
like($session->{err}, qr/canceling statement/, 'the cancel is reported');
ends_helpers('pg_terminate_backend', 'pg_terminate_backend');
session_end($session);
is(ask(q{SELECT count(*) FROM textclf_models WHERE name = 'endless'}), '0', 'no model came of them');

# an error caught by a block of a function, in a transaction that goes on
is( ask(q{SET statement_timeout = 0;
	DO $$ BEGIN
		PERFORM textclf_train('rows', 'doc', 'label', 'diverged', '{"architecture": "bilstm", "batch_size": 256,
			"workers": 2, "optimizer": "sgd", "learning_rate": 100, "clip_norm": 0, "loss": "mse", "epochs": 50,
			"embedding_dim": 32, "units": 32, "early_stopping": 0, "max_seconds": 1}');
		RAISE division_by_zero;
	EXCEPTION WHEN OTHERS THEN NULL; END $$;
	SELECT pg_sleep(0.5); } . "SELECT count(*) $helpers"), "\n0", 'an error that was caught leaves none');

# a helper that cannot connect before the training's own transaction ends: a deadlock that nobody detects
$session = session_start($node, 'postgres', 'locked');
session_send($session, q{BEGIN; LOCK TABLE pg_catalog.pg_authid;} . train('locked', 1, 2) . 'ROLLBACK;');
is(session_wait($session, 20), "locked\n", 'a training does not wait for a helper that waits for it');
ok(wait_until(sub { helpers() == 0 }, 10), 'which leaves when it can');
session_end($session);

# ---- no process is free, or allowed ----
$node->append_conf('postgresql.conf', "max_worker_processes = 1\nmax_parallel_maintenance_workers = 2");
$node->restart;
ask(train('w3', 2, 6));
is(weights('w3'), weights('w0'), 'a training for which no process is free makes the same model');
like( sqlstate($node, 'postgres', train('none', 1000, 1)),
	qr/^22023: invalid value for option "workers"/, 'too many workers are refused');

# ---- no room for shared memory ----
SKIP:
{
	skip 'prlimit is missing', 3 if system('prlimit --version >/dev/null 2>&1') != 0;
	$session = session_start($node, 'postgres', 'cramped');
	# more than a segment of the WAL, less than the memory to be shared
	system('prlimit', '--pid', $session->{pid}, '--fsize=20971520:20971520') == 0 or die 'prlimit failed';
	session_send($session, 'CREATE TEMP VIEW few AS SELECT * FROM rows LIMIT 200;');
	session_wait($session, 10);
	session_send($session, q{SET textclf.progress = off;
		SELECT model FROM textclf_train('few', 'doc', 'label', 'cramped',
			'{"architecture": "bilstm", "units": 256, "embedding_dim": 256, "epochs": 1, "workers": 2}');});
	is(session_wait($session, 120), "cramped\n", 'a training that cannot share memory does without');
	is($session->{err}, '', 'and says nothing of it');
	is(helpers(), 0, 'nor has helpers');
	session_end($session);
}

# ---- a training that is killed ----
$node->append_conf('postgresql.conf', "max_worker_processes = 8\nrestart_after_crash = on");
$node->restart;
$session = session_start($node, 'postgres', 'killed');
session_send($session, train('endless', 2));
ok(wait_until(sub { helpers() == 2 }, 60), 'helpers again');
my @pids = split /\n/, ask("SELECT pid $helpers");
kill 'KILL', $session->{pid};
ok(wait_until(sub { !grep { kill 0, $_ } @pids }, 10), 'they do not outlive a training that is killed');
session_end($session);
$node->poll_query_until('postgres', 'SELECT true');
is(helpers(), 0, 'the server starts again without them');

done_testing();
