# Rows of another server, whoever ends on the way; copies of a database; databases and
# clients that go while a training is under way.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TextclfTest;

my $node = start_node('main', conf => "max_worker_processes = 16\nlog_min_messages = notice");
create_rows($node);
my $linear = '{"architecture": "linear"}';
my $endless = '{"architecture": "bilstm", "epochs": 100000, "early_stopping": 0, "units": 8, "embedding_dim": 8, "workers": 2}';

sub ask { return $node->safe_psql('postgres', "SET client_min_messages = warning; $_[0]") }

sub train { return "SELECT rows, classes FROM textclf_train('$_[0]', 'doc', 'label', '$_[1]', '$linear')" }

# the processes of trainings in a database
sub processes { return ask("SELECT count(*) FROM pg_stat_activity WHERE datname = '$_[0]' AND backend_type LIKE 'textclf %'") }

# -- rows through postgres_fdw

SKIP:
{
	skip 'postgres_fdw is missing', 9
	  if ask(q{SELECT count(*) FROM pg_available_extensions WHERE name = 'postgres_fdw'}) eq '0';
	my ($host, $port) = ($node->host, $node->port);

	ask('CREATE DATABASE far');
	create_rows($node, database => 'far');
	$node->safe_psql('far', q{
		CREATE VIEW endless AS SELECT doc || CASE WHEN doc LIKE '%star%' THEN pg_sleep(1000)::text ELSE '' END AS doc, label FROM rows;
		CREATE ROLE few LOGIN;
		GRANT SELECT ON rows TO few;
		ALTER TABLE rows ENABLE ROW LEVEL SECURITY;
		CREATE POLICY few ON rows TO few USING (label <> 'science')});
	ask(qq{
		CREATE EXTENSION postgres_fdw;
		CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'far');
		CREATE USER MAPPING FOR CURRENT_USER SERVER far;
		CREATE USER MAPPING FOR few SERVER far OPTIONS (user 'few', password_required 'false');
		CREATE FOREIGN TABLE far (doc text, label text) SERVER far OPTIONS (table_name 'rows');
		CREATE FOREIGN TABLE endless (doc text, label text) SERVER far OPTIONS (table_name 'endless');
		GRANT SELECT ON far TO few});
	is(ask(train('far', 'far')), '300|3', 'a training reads rows of another server');
	is(ask(train('rows', 'near')), '300|3', 'which are those of this one');
	is(ask(q{SELECT count(*) FROM rows WHERE textclf_probability('far', doc, label) <> textclf_probability('near', doc, label)}),
		'0', 'the model is the same');
	is(ask('SET ROLE few; ' . train('far', 'few')), '200|2', 'row security there counts');
	my $job = ask("SET ROLE few; SELECT textclf_train_background('far', 'doc', 'label', 'few', '$linear')");
	ok(wait_until(sub { ask("SELECT state FROM textclf_jobs WHERE job = $job") eq 'done' }, 60), 'and in the background');

	my $there = q{FROM pg_stat_activity WHERE datname = 'far' AND query LIKE 'FETCH%' AND wait_event = 'PgSleep'};
	like(sqlstate($node, 'postgres', q{SET statement_timeout = '1s'; } . train('endless', 'none')), qr/^57014/, 'who waits for the other server can be stopped');
	$job = ask("SELECT textclf_train_background('endless', 'doc', 'label', 'none', '$linear')");
	ok(wait_until(sub { ask("SELECT count(*) $there") eq '1' }, 60), 'a job waits for it, too');
	ask("SELECT pg_terminate_backend(pid) $there");
	ok(wait_until(sub { ask("SELECT state FROM textclf_jobs WHERE job = $job") eq 'failed' }, 60), 'and fails when it ends there');
	is(ask(q{SELECT count(*) FROM textclf_models WHERE name = 'none'}), '0', 'without a model');
}

# -- a copy of a database with models, whose images others use

ask('CREATE DATABASE original');
$node->safe_psql('original', 'CREATE EXTENSION textclf');
create_rows($node, database => 'original');
my $predict = q{SELECT textclf_predict('m', 'the goal of the match')};
$node->safe_psql('original', 'SET client_min_messages = warning; ' . train('rows', 'm') . "; $predict");
ask('CREATE DATABASE copy TEMPLATE original');
$node->safe_psql('copy', q{UPDATE textclf_version SET bytes = set_byte(bytes, octet_length(bytes) - 1, 255 - get_byte(bytes, octet_length(bytes) - 1))});
like(sqlstate($node, 'copy', $predict), qr/^XX001/, 'what is stored in a copy counts there, not what the original has shared');
is($node->safe_psql('original', $predict), 'sport', 'nor the other way round');

# -- a database is dropped while a job trains

my $start = "SELECT textclf_train_background('rows', 'doc', 'label', 'long', '$endless')";
$node->safe_psql('original', $start);
ok(wait_until(sub { processes('original') == 3 }, 60), 'a job and its helpers');
ask('DROP DATABASE original WITH (FORCE)');
is(processes('original'), '0', 'go with their database');

# -- a client goes while its training is under way, which tells it nothing

my $client = session_start($node, 'postgres', 'client');
session_send($client, "SET client_connection_check_interval = '100ms'; SET textclf.progress = off;
	SELECT textclf_train('rows', 'doc', 'label', 'long', '$endless');");
ok(wait_until(sub { $client->{run}->pump_nb; processes('postgres') == 2 }, 60), 'a training with helpers');
$client->{run}->kill_kill;
ok(wait_until(sub { ask("SELECT count(*) FROM pg_stat_activity WHERE pid = $client->{pid}") eq '0' && processes('postgres') == 0 }, 20),
	'ends with its client');
is(ask(q{SELECT count(*) FROM textclf_models WHERE name = 'long'}), '0', 'without a model');

done_testing();
