# A background training starts at COMMIT, holds nothing back, can be stopped,
# and whatever happens to it, its job says so and no half model is left.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TextclfTest;
use Time::HiRes qw(sleep time);

my $node = start_node('main', conf => "max_prepared_transactions = 2\nlog_min_messages = notice\nrestart_after_crash = on");
create_rows($node, rows => 3000, words => 20);

# One session asks, which is faster than one for each question.
my $asker;

sub ask
{
	my ($sql) = @_;

	$asker //= session_start($node, 'postgres', 'asker');
	session_send($asker, "$sql;\nRESET ROLE; RESET ALL;");
	my $answer = session_wait($asker, 180);
	die "$sql: $asker->{err}" if !defined $answer || $asker->{err} =~ /ERROR|FATAL/;
	chomp $answer;
	return $answer;
}

# When the server has gone, so has the session.
sub forget_asker
{
	session_end($asker);
	undef $asker;
	return;
}

my $long = '{"architecture": "bilstm", "epochs": 100000, "early_stopping": 0, "units": 8, "embedding_dim": 8}';
my $short = '{"architecture": "bilstm", "epochs": 2, "units": 8, "embedding_dim": 8}';

sub call
{
	my ($model, $options, $source) = @_;
	$source //= 'rows';
	return "SELECT textclf_train_background('$source', 'doc', 'label', '$model', '$options')";
}

# What the view says of a job, and whether it comes to say so
sub state_of { return ask("SELECT state FROM textclf_jobs WHERE job = $_[0]") }

sub reaches
{
	my ($job, $state) = @_;
	return wait_until(sub { state_of($job) eq $state }, 120)
	  || diag(ask("SELECT to_jsonb(j) FROM textclf_jobs j WHERE job = $job"));
}

sub is_training
{
	my ($job) = @_;
	return wait_until(
		sub { ask("SELECT phase = 'training' AND loss > 0 FROM textclf_jobs WHERE job = $job") eq 't' }, 120);
}

sub models { return ask('SELECT count(*) FROM textclf_version WHERE model = ' . "'$_[0]'") }

# -- the ordinary way

my $job = ask(call('ordinary', $short));
ok(reaches($job, 'done'), 'a job gets done');
is( ask("SELECT model, source, role, phase, pid, epoch, epochs, loss > 0, time_left, version, deployed, error,
		requested < started, started < finished FROM textclf_jobs WHERE job = $job"),
	'ordinary|public.rows|' . ask('SELECT current_user') . '|||2|2|t||1|t||t|t', 'and says what came of it');
is(ask(q{SELECT textclf_predict('ordinary', 'the goal of the match')}), 'sport', 'its model predicts');
is( ask(q{SET client_min_messages = warning;
		SELECT version FROM textclf_train('rows', 'doc', 'label', 'ordinary', } . "'$short')"),
	'2', 'textclf_train of the same rows');
is( ask(q{SELECT count(DISTINCT textclf_probability(m, doc, 'sport')) FROM rows, unnest(ARRAY['ordinary@1', 'ordinary@2']) m
		WHERE doc IN (SELECT doc FROM rows LIMIT 1)}),
	'1', 'gives the same model');

# -- what textclf_train would tell, a job keeps

ask(q{SET client_min_messages = error; CREATE TABLE few AS SELECT doc, label FROM rows LIMIT 90;
	CREATE TABLE noise AS SELECT doc, (ARRAY['sport', 'business', 'science'])[length(doc) % 3 + 1] AS label FROM rows;
	CREATE TABLE vectors AS SELECT word, ARRAY[1, 0, 0, 0, 0, 0, 0, 1]::real[] AS vector FROM (VALUES ('goal'), ('unheard')) AS v (word);
	SELECT version FROM textclf_train('rows', 'doc', 'label', 'judged', } . "'$short')");
my $told_by = sub {
	my ($model, $options, $source) = @_;
	my $told = ask(call($model, $options, $source));
	ok(reaches($told, 'done'), "a job of $source gets done");
	return ask("SELECT notices FROM textclf_jobs WHERE job = $told");
};
is($told_by->('plain', $short, 'few'), '', 'nothing, where there is nothing');
my $worse = $told_by->('judged', '{"warm_start": "judged", "epochs": 1, "deploy": "if_better"}', 'noise');
like($worse, qr/^starting from model "judged\@1": it knows \d+ of \d+ words and 3 of 3 labels\n/, 'what it starts from');
like($worse, qr/\nthe new version of model "judged" is not deployed\nOn validation rows its macro F1 is 0\.\d+; the deployed version has [01]\.\d+\.$/,
	'why it is not deployed');
like($told_by->('vectors', '{"architecture": "bilstm", "epochs": 1, "units": 8, "embeddings": "vectors"}', 'few'),
	qr/^1 of \d+ words have a vector in public\.vectors$/, 'how many words have a vector');
is(ask(q{CREATE ROLE onlooker IN ROLE pg_read_all_stats; SET ROLE onlooker; SELECT count(*) > 3, count(notices) FROM textclf_jobs}), 't|0',
	'none of it to others');

# -- while it trains

$job = ask(call('long', $long));
ok(is_training($job), 'a long job trains');
my $pid = ask("SELECT pid FROM textclf_jobs WHERE job = $job");
my @seen;
for (1 .. 50)
{
	push @seen, ask(qq{SELECT backend_type, usename, backend_xmin IS NULL, backend_xid IS NULL, xact_start IS NULL,
		(SELECT count(*) FROM pg_locks WHERE pid = $pid) FROM pg_stat_activity WHERE pid = $pid});
	sleep(0.02);
}
my $ordinary = 'textclf job|' . ask('SELECT current_user') . '|t|t|t|0';
is(scalar(grep { $_ ne $ordinary } @seen), 0, 'it holds no snapshot, transaction or lock') or diag(join("\n", @seen));
is( ask("SELECT state, epoch BETWEEN 1 AND epochs, epochs, rows_per_second > 0, time_left > '0', started IS NOT NULL, finished
		FROM textclf_jobs WHERE job = $job"),
	'running|t|100000|t|t|t|', 'its progress can be seen from another session');
my $epoch = ask("SELECT epoch FROM textclf_jobs WHERE job = $job");
ok(wait_until(sub { ask("SELECT epoch > $epoch FROM textclf_jobs WHERE job = $job") eq 't' }, 60), 'and moves');
is(models('long'), '0', 'there is no model yet');
is(ask('DROP TABLE IF EXISTS other; CREATE TABLE other AS SELECT * FROM rows; VACUUM rows; TRUNCATE rows; INSERT INTO rows SELECT * FROM other; SELECT 1'),
	'1', 'the source can be changed and vacuumed meanwhile');

# -- cancel

my $start = time();
is(ask("SELECT textclf_cancel($job)"), 't', 'a job can be cancelled');
ok(reaches($job, 'cancelled'), 'and is');
cmp_ok(time() - $start, '<', 1, 'within a second');
ok( wait_until(sub { ask("SELECT count(*) FROM pg_stat_activity WHERE pid = $pid") eq '0' }, 10),
	'its process ends');
is(models('long') . ask(q{SELECT count(*) FROM pg_ls_tmpdir() WHERE name !~ 'textclf'}) . ask(q{SELECT count(*) FROM textclf_model WHERE name = 'long'}),
	'000', 'nothing is left');
like(ask("SELECT error FROM textclf_jobs WHERE job = $job"), qr/^57014: /, 'the job says why');
is(ask("SELECT textclf_cancel($job)"), 'f', 'a job that has ended cannot be cancelled');

# while it reads: a view that takes long to read
ask(q{CREATE FUNCTION wait() RETURNS text VOLATILE LANGUAGE sql AS 'SELECT pg_sleep(0.1)::text'});
ask(q{CREATE VIEW slower AS SELECT doc || wait() AS doc, label FROM rows});
$job = ask(call('slow', $short, 'slower'));
ok(wait_until(sub { ask("SELECT phase FROM textclf_jobs WHERE job = $job") eq 'reading' }, 30), 'a job that reads');
$start = time();
ask("SELECT textclf_cancel($job)");
ok(reaches($job, 'cancelled'), 'can be cancelled');
cmp_ok(time() - $start, '<', 1, 'within a second');

# at any moment
my $seed = srand($ENV{TEXTCLF_TEST_SEED} || 5);
my @cancelled;
for (1 .. 20)
{
	push @cancelled, ask(call('moment', $long));
	sleep(rand()**3);
	ask("SELECT textclf_cancel($cancelled[-1])");
}
my $those = join(',', @cancelled);
ok( wait_until(sub { ask("SELECT count(*) FROM textclf_jobs WHERE job IN ($those) AND state = 'cancelled'") == 20 }, 10),
	"jobs can be cancelled at any moment (seed $seed)")
  or diag(ask("SELECT string_agg(concat_ws(' ', state, phase, error), chr(10)) FROM textclf_jobs WHERE job IN ($those)"));
is(models('moment') . ask(q{SELECT count(*) FROM pg_ls_tmpdir() WHERE name !~ 'textclf'}), '00', 'and leave nothing');

is( ask(call('starting', $short) . q{ \g /dev/null
		SELECT count(*) FROM textclf_jobs WHERE model = 'starting' AND epoch IS NULL AND (loss IS NOT NULL OR time_left IS NOT NULL)}),
	'0', 'before the first epoch there are no figures');
ok(wait_until(sub { ask(q{SELECT state FROM textclf_jobs WHERE model = 'starting'}) eq 'done' }, 60), 'then it gets done');

# -- transactions

is( ask('BEGIN; ' . call('gone', $short) . q{ \g /dev/null
		SELECT state FROM textclf_jobs WHERE model = 'gone'; ROLLBACK}), 'queued',
	'before COMMIT a job is queued');
is(ask(q{SELECT count(*) FROM textclf_jobs WHERE model = 'gone'}), '0', 'after ROLLBACK there is none');
ask('BEGIN; SAVEPOINT a; ' . call('gone', $short) . '; ROLLBACK TO a; '
	  . call('kept', $short) . '; SAVEPOINT b; ' . call('kept', $short)
	  . '; RELEASE b; SAVEPOINT c; ' . call('gone', $short) . '; ROLLBACK TO c; COMMIT');
is(ask(q{SELECT string_agg(model, ',') FROM textclf_jobs WHERE model IN ('kept', 'gone')}),
	'kept,kept', 'a savepoint that is rolled back takes its jobs with it');
ok( wait_until(sub { ask(q{SELECT string_agg(state, ',') FROM textclf_jobs WHERE model = 'kept'}) eq 'done,done' }, 120),
	'two jobs for one model at once get done');
is( ask(q{SELECT string_agg(version::text, ',' ORDER BY version) FROM textclf_jobs WHERE model = 'kept'}),
	'1,2', 'as two versions');

ask('BEGIN; ' . call('gone', $short) . q{ \gset
	SELECT textclf_cancel(:textclf_train_background); COMMIT});
is(ask(q{SELECT state, started FROM textclf_jobs WHERE model = 'gone'}), 'cancelled|',
	'a job cancelled in its own transaction never starts');

like( sqlstate($node, 'postgres', 'BEGIN; ' . call('prepared', $short) . q{; PREPARE TRANSACTION 'p'}),
	qr/^0A000:/, 'PREPARE TRANSACTION is refused');
is( ask('BEGIN; SAVEPOINT a; ' . call('prepared', $short) . q{ \g /dev/null
		ROLLBACK TO a; PREPARE TRANSACTION 'p'; COMMIT PREPARED 'p';
		SELECT count(*) FROM textclf_jobs WHERE model = 'prepared'}),
	'0', 'unless nothing is asked for any more');

ask(qq{CREATE PROCEDURE nightly(models text[]) LANGUAGE plpgsql AS \$\$
	BEGIN
		FOR i IN 1 .. cardinality(models) LOOP
			PERFORM textclf_train_background('rows', 'doc', 'label', models[i], '$short');
			COMMIT;
		END LOOP;
	END \$\$; CALL nightly('{n1,n2}')});
ok( wait_until(sub { ask(q{SELECT string_agg(state, ',') FROM textclf_jobs WHERE model IN ('n1', 'n2')}) eq 'done,done' }, 120),
	'a procedure that commits starts jobs');

# -- roles

ask(q{CREATE ROLE trainer LOGIN; CREATE ROLE group_of_trainer; GRANT trainer TO group_of_trainer;
	CREATE ROLE stranger; CREATE ROLE watcher; GRANT pg_read_all_stats TO watcher;
	CREATE ROLE nologin; GRANT SELECT ON rows TO trainer, nologin;
	ALTER ROLE trainer SET default_transaction_read_only = on;
	ALTER ROLE trainer SET default_transaction_isolation = 'serializable'});
like( sqlstate($node, 'postgres', 'SET ROLE nologin; ' . call('refused', $short)),
	qr/^28000:.*HINT: /s, 'a role that may not log in is refused, with a hint');
$job = ask('SET ROLE trainer; ' . call('own', $long));
ok(is_training($job), 'the job of a role');
is(ask("SELECT usename FROM pg_stat_activity WHERE pid = (SELECT pid FROM textclf_jobs WHERE job = $job)"),
	'trainer', 'runs as that role');
is(ask("SET ROLE stranger; SELECT count(*) FROM textclf_jobs"), '0', 'others do not see it');
is(ask("SET ROLE watcher; SELECT state FROM textclf_jobs WHERE job = $job"), 'running', 'pg_read_all_stats sees it');
is(ask("SET ROLE trainer; SELECT count(*) FROM textclf_jobs"), '1', 'its role sees no other');
like(sqlstate($node, 'postgres', "SET ROLE $_; SELECT textclf_cancel($job)"), qr/^42501:/, "$_ may not cancel it")
  for qw(stranger watcher);
like(sqlstate($node, 'postgres', 'SELECT textclf_cancel(1000000)'), qr/^42704:/, 'no such job');
is(ask("SET ROLE group_of_trainer; SELECT textclf_cancel($job)"), 't', 'a member of its role may');
ok(reaches($job, 'cancelled'), 'cancel it');

ask(q{ALTER ROLE trainer SET transaction_timeout = '500ms'}) if $node->pg_version >= 17;
ask(q{ALTER ROLE trainer SET statement_timeout = '500ms'});
$job = ask('SET ROLE trainer; ' . call('own', '{"architecture": "bilstm", "epochs": 100000, "early_stopping": 0, "max_seconds": 2, "units": 8, "embedding_dim": 8}'));
ok(reaches($job, 'done'), q{a role's settings for its sessions do not keep a job from storing its model});
is(ask(q{SELECT owner FROM textclf_models WHERE name = 'own'}), 'trainer', 'which it owns');

# what changes between the call and the end
$job = ask('BEGIN; SET LOCAL ROLE trainer; ' . call('lost', $short) . '; RESET ROLE; REVOKE SELECT ON rows FROM trainer; COMMIT');
ok(reaches($job, 'failed'), 'a right that is gone at COMMIT makes the job fail');
like(ask("SELECT error FROM textclf_jobs WHERE job = $job"), qr/^42501: .*rows/, 'with its SQLSTATE and message');
ask('GRANT SELECT ON rows TO trainer');
$job = ask('SET ROLE trainer; ' . call('lost', '{"architecture": "bilstm", "epochs": 100000, "early_stopping": 0, "max_seconds": 3, "units": 8}'));
ok(is_training($job), 'while a job trains');
ask(q{ALTER TABLE rows RENAME TO renamed; REASSIGN OWNED BY trainer TO CURRENT_USER; SELECT textclf_drop('own'); DROP OWNED BY trainer; DROP ROLE trainer});
ok(wait_until(sub { state_of($job) eq 'failed' }, 60), 'its role is dropped: it fails');
like(ask("SELECT error FROM textclf_jobs WHERE job = $job"), qr/^42704: /, 'and says so');
is(models('lost'), '0', 'without a model');
ask('ALTER TABLE renamed RENAME TO rows');

like( sqlstate($node, 'postgres', 'CREATE ROLE gone LOGIN; GRANT SELECT ON rows TO gone; BEGIN; SET LOCAL ROLE gone; '
		  . call('none', $short) . '; RESET ROLE; REVOKE ALL ON rows FROM gone; DROP ROLE gone; COMMIT'),
	qr/^$/, 'a role that is dropped in the same transaction');
ok( wait_until(sub { ask(q{SELECT state FROM textclf_jobs WHERE model = 'none'}) eq 'failed' }, 60), 'makes the job fail');
like( sqlstate($node, 'postgres', 'BEGIN; CREATE ROLE young LOGIN; GRANT SELECT ON rows TO young; SET LOCAL ROLE young; '
		  . call('none', $short) . '; COMMIT'),
	qr/^55000:.*HINT: /s, 'as a role that nobody else can see yet, no worker can connect: COMMIT fails');
is(ask(q{SELECT count(*) FROM pg_roles WHERE rolname = 'young'}), '0', 'as a whole');

# -- who owns the table of jobs, a superuser or not, does not act as the role of a job

ask(q{CREATE ROLE writer LOGIN; GRANT pg_read_all_data, pg_write_all_data TO writer; GRANT CREATE ON SCHEMA public TO writer;
	SET ROLE writer; CREATE VIEW bait AS SELECT * FROM rows});
my $superuser = ask('SELECT current_user');
for (
	[ 'writer', "role = '$superuser'::regrole" ],
	[ 'writer', q{settings = '{"session_preload_libraries": "textclf_of_writer"}'} ],
	[ 'writer', q{settings = '{"textclf.blas_library": "/textclf_of_writer"}'} ],
	[ $superuser, q{source = 'bait'::regclass} ])
{
	my ($role, $change) = @$_;
	my $other = ask("BEGIN; SET LOCAL ROLE $role; " . call('stolen', $short)
		  . "; RESET ROLE; UPDATE textclf_job SET $change WHERE model = 'stolen' AND state IS NULL; COMMIT");
	ok(reaches($other, 'failed'), "a job of $role, after $change, fails");
	like(ask("SELECT error FROM textclf_jobs WHERE job = $other"), qr/^55000: .*was changed/, 'and says so');
	is(ask(q{SELECT count(textclf_drop(name)) FROM textclf_models WHERE name = 'stolen'}), '0', 'without a model');
}

# what a superuser has set counts for the role that the session then takes, as it does in the session

$job = ask(q{SET textclf.max_model_size = '100MB'; SET ROLE writer; } . call('bounded', $short));
ok(reaches($job, 'done'), 'a setting that the role of a job may not change does not make it fail');
$job = ask(q{SET textclf.max_model_size = '64kB'; SET ROLE writer; } . call('bounded', '{"architecture": "bilstm", "epochs": 1, "units": 300}'));
ok(reaches($job, 'failed'), 'and counts');
like(ask("SELECT error FROM textclf_jobs WHERE job = $job"), qr/^54000: .*max_model_size/s, 'as in the session that set it');

# -- settings, and what fails

$job = ask(q{SET textclf.training_memory = '1MB'; } . call('large', '{"units": 1024, "embedding_dim": 1024}'));
ok(reaches($job, 'failed'), q{the session's settings hold for its jobs});
like(ask("SELECT error FROM textclf_jobs WHERE job = $job"), qr/^53200: .*1 MB.*textclf\.training_memory/s, 'with detail and hint');
ask(q{CREATE TABLE secrets AS SELECT 'word ' || i AS doc, CASE WHEN i < 500 THEN i::text ELSE 'Geheimnis' END AS label FROM generate_series(1, 500) i;
	CREATE VIEW numbers AS SELECT doc, label::int AS label FROM secrets});
$job = ask(call('secret', $short, 'numbers'));
ok(reaches($job, 'failed'), 'a source that cannot be read makes a job fail');
like(ask("SELECT error FROM textclf_jobs WHERE job = $job"), qr/^22P02: .*Geheimnis/, 'its role can read why');
is(ask("SET ROLE watcher; SELECT error FROM textclf_jobs WHERE job = $job"), '22P02', 'who only watches cannot');
my $log = PostgreSQL::Test::Utils::slurp_file($node->logfile);
like($log, qr/textclf job $job failed with SQLSTATE 22P02/, q{the server's log knows that it failed});
unlike($log, qr/Geheimnis"/, 'but holds nothing of the rows');

# rows in temporary files outlive the transaction that reads them
create_rows($node, database => 'postgres', rows => 30000, words => 40, table => 'many');
$job = ask(q{SET textclf.training_memory = '16MB'; SET work_mem = '64kB'; } . call('spilled', '{"architecture": "bilstm", "epochs": 1, "units": 8, "embedding_dim": 8, "deploy": "if_better"}', 'many'));
ok(wait_until(sub { ask(q{SELECT count(*) > 0 FROM pg_ls_tmpdir() WHERE name !~ 'textclf'}) eq 't' }, 60), 'rows that do not fit');
ok(reaches($job, 'done'), 'go to temporary files for the length of the job');
ok(wait_until(sub { ask(q{SELECT count(*) FROM pg_ls_tmpdir() WHERE name !~ 'textclf'}) eq '0' }, 10), 'and these go with it');

# -- the worker, or the server, dies

$job = ask(call('killed', $long));
ok(is_training($job), 'a job whose process');
ask("SELECT pg_terminate_backend(pid) FROM textclf_jobs WHERE job = $job");
ok(reaches($job, 'failed'), 'is terminated has failed');
like(ask("SELECT error FROM textclf_jobs WHERE job = $job"), qr/terminated/, 'and says what may have happened');

$job = ask(call('killed', $long));
ok(is_training($job), 'a job whose process');
$pid = ask("SELECT pid FROM textclf_jobs WHERE job = $job");
forget_asker();
kill('KILL', $pid);
ok(wait_until(sub { my ($status, $out) = $node->psql('postgres', "SELECT state FROM textclf_jobs WHERE job = $job"); return $status == 0 && $out eq 'failed' }, 60),
	'is killed has failed, on a server that works');
is(models('killed'), '0', 'there is no model');
is(ask(q{SELECT textclf_predict('ordinary', 'the goal of the match')}), 'sport', 'others predict');

$job = ask(call('killed', $long));
ok(is_training($job), 'a job');
forget_asker();
$node->restart;
is(state_of($job), 'failed', 'has failed after a restart of the server');
$job = ask(call('killed', $long));
ok(is_training($job), 'a job');
forget_asker();
$node->stop('immediate');
$node->start;
is(state_of($job), 'failed', 'has failed after a crash of the server');
my $next = ask(call('after', $short));
ok(reaches($next, 'done'), 'after all that a job gets done');
isnt(ask("SELECT finished FROM textclf_jobs WHERE job = $job"), '', 'and has entered the end of those that were lost');

# -- databases and the extension

ask('CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION textclf');
create_rows($node, database => 'other', rows => 3000, words => 20);
$job = $node->safe_psql('other', call('m', $long));
ok( wait_until(sub { $node->safe_psql('other', q{SELECT count(*) FROM textclf_jobs WHERE phase = 'training'}) eq '1' }, 60),
	'a job in another database');
like(sqlstate($node, 'postgres', 'DROP DATABASE other'), qr/^55006:/, 'keeps it from being dropped, as any session');
$node->safe_psql('other', q{SET client_min_messages = warning; DROP EXTENSION textclf; CREATE EXTENSION textclf});
is($node->safe_psql('other', 'SELECT count(*) FROM textclf_jobs'), '0', 'the extension can be dropped meanwhile');
ok( wait_until(sub { ask(q{SELECT count(*) FROM pg_stat_activity WHERE datname = 'other' AND backend_type LIKE 'textclf %'}) eq '0' }, 30),
	'after which its job ends');
$node->safe_psql('other', qq{SELECT textclf_train_background('rows', 'doc', 'label', 'm', '$short')});
ok( wait_until(sub { $node->safe_psql('other', q{SELECT state FROM textclf_jobs}) eq 'done' }, 60), 'and created again');
is($node->safe_psql('other', 'SELECT count(*) FROM textclf_version'), '1', 'with its own jobs alone');
is( $node->safe_psql('other', qq{SET client_min_messages = warning; BEGIN; SELECT textclf_train_background('rows', 'doc', 'label', 'm', '$short') \\g /dev/null
		DROP EXTENSION textclf; COMMIT; SELECT count(*) FROM pg_extension WHERE extname = 'textclf'}),
	'0', 'a job goes with an extension that its own transaction drops');
$node->safe_psql('other', qq{BEGIN; CREATE EXTENSION textclf; SELECT textclf_train_background('rows', 'doc', 'label', 'first', '$short');
		DROP EXTENSION textclf; CREATE EXTENSION textclf; SELECT textclf_train_background('rows', 'doc', 'label', 'second', '$short'); COMMIT});
ok( wait_until(sub { $node->safe_psql('other', q{SELECT state FROM textclf_jobs WHERE model = 'second'}) eq 'done' }, 60),
	'nor is it taken for that of the same id in a new one');
ask('DROP DATABASE other WITH (FORCE)');

# -- no free process

$node->append_conf('postgresql.conf', 'max_worker_processes = 2');
forget_asker();
$node->restart;
$job = ask(call('one', $long));
ok(is_training($job), 'the one free process has a job');
like(sqlstate($node, 'postgres', 'CREATE TABLE undone (); ' . call('two', $short)), qr/^53400:.*HINT: .*max_worker_processes/s,
	'without a free process COMMIT fails, with a hint');
like(sqlstate($node, 'postgres', 'BEGIN; CREATE TABLE undone_2 (); ' . call('two', $short) . '; COMMIT'), qr/^53400:/, 'a larger transaction');
is(ask(q{SELECT count(*) FROM textclf_jobs WHERE model = 'two'}) . ask(q{SELECT count(*) FROM pg_class WHERE relname = 'undone_2'}), '00', 'as a whole');
is(state_of($job), 'running', 'the other job goes on');
ask("SELECT textclf_cancel($job)");
ok(wait_until(sub { (sqlstate($node, 'postgres', call('two', $short))) eq '' }, 30), 'when it has ended there is one again');
ok( wait_until(sub { ask(q{SELECT state FROM textclf_jobs WHERE model = 'two'}) eq 'done' }, 60), 'which does the next');

# A transaction whose second job finds no process is rolled back when the first has its worker, and
# before that can look, another session plants a row of the same id.
my $planter = session_start($node, 'postgres', 'planter');
my $rolled_back = ask('BEGIN; ' . call('rolled_back', $short));
session_send($planter, 'BEGIN; LOCK TABLE textclf_job;');
ok( wait_until(sub { ask("SELECT count(*) FROM pg_locks WHERE pid = $planter->{pid} AND NOT granted") eq '1' }, 30),
	'a session that waits for the table of jobs');
session_send($asker, call('rolled_back', $short) . '; COMMIT;');
session_wait($asker, 60);
like($asker->{err}, qr/no worker process is free/, 'a transaction is rolled back after one of its workers has started');
session_wait($planter, 60);
session_send($planter, qq{INSERT INTO textclf_job (id, role, source, source_name, text_column, label_column, model, options, settings)
	OVERRIDING SYSTEM VALUE
	VALUES ($rolled_back, 'pg_monitor'::regrole, 'rows'::regclass, 'rows', 'doc', 'label', 'planted', '$short', '{}'); COMMIT;});
session_wait($planter, 60);
is($planter->{err}, '', 'its id is given to another job');
session_end($planter);
ok( wait_until(sub { ask(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'textclf job'}) eq '0' }, 60),
	'the worker ends');
is(models('planted') . models('rolled_back'), '00', 'and has not taken the job of another for its own');
is(state_of($rolled_back), 'queued', 'nor ended it');

done_testing();
