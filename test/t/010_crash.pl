# The server is killed at random points of trainings and of publishing: a model
# is there whole or not at all, and no file is left behind.
#
# TEXTCLF_TEST_CRASHES: how many; TEXTCLF_TEST_SEED: of the random moments.
use strict;
use warnings;

use File::Find;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Utils;
use Test::More;
use TextclfTest;
use Time::HiRes qw(sleep time);

my $crashes = $ENV{TEXTCLF_TEST_CRASHES} || 6;
my $seed = srand($ENV{TEXTCLF_TEST_SEED} || 10);
my $node = start_node('main', conf => "restart_after_crash = on\nautovacuum = off\n");
my $data = $node->data_dir;

sub ask { return $node->safe_psql('postgres', $_[0]) }

# Trainings whose rows do not fit the memory, and a file to import that is a few
# hundred chunks: most of the one's time is learning, all of the other's publishing.
create_rows($node, rows => 3000, words => 100);
ask(q{
	SET client_min_messages = warning;
	SELECT textclf_train('rows', 'doc', 'label', 'small', '{"epochs": 1, "units": 4, "embedding_dim": 4}');
	SELECT textclf_train('rows', 'doc', 'label', 'large',
		'{"architecture": "bilstm", "epochs": 1, "max_seconds": 1, "units": 64, "embedding_dim": 2000, "min_rows": 1}');
	CREATE TABLE file AS SELECT textclf_export('large') AS bytes;
	ALTER TABLE file ALTER bytes SET STORAGE EXTERNAL;
	SELECT textclf_drop('large')});
my %work = (
	training => q{SET client_min_messages = warning; SET textclf.training_memory = '8MB';
		SELECT textclf_train('rows', 'doc', 'label', 'trained',
			'{"architecture": "bilstm", "epochs": 2, "units": 8, "embedding_dim": 8}');},
	publishing => q{SELECT textclf_import('imported', bytes) FROM file;},
	deploying => q{DO $$ BEGIN FOR i IN 1 .. 2000 LOOP PERFORM textclf_deploy('small', 1); COMMIT; END LOOP; END $$;});

my %duration;
for my $kind (sort keys %work)
{
	my $start = time();
	ask($work{$kind});
	$duration{$kind} = time() - $start;
}

# Temporary files and shared memory that nobody owns
sub files_left
{
	my @found;

	find(
		sub {
			my $name = substr($File::Find::name, length $data);

			push @found, $name if -f && $name =~ m{pgsql_tmp|textclf|pg_dynshmem/};
		},
		$data);
	return join(', ', @found);
}

# What of the models cannot be right: names without version, deployments of none,
# versions that do not predict, numbers that are not what was committed
my $broken = q{
	SELECT 'no version of ' || name FROM textclf_model WHERE name NOT IN (SELECT model FROM textclf_version)
	UNION ALL SELECT 'no model for ' || model FROM textclf_version WHERE model NOT IN (SELECT name FROM textclf_model)
	UNION ALL SELECT 'deployed but not there: ' || model || version FROM textclf_deployment d
		WHERE NOT EXISTS (SELECT FROM textclf_version v WHERE v.model = d.model AND v.version = d.version)
	UNION ALL SELECT 'no answer from ' || model FROM textclf_version WHERE textclf_predict(model || '@' || version, 'the goal') IS NULL
	UNION ALL SELECT 'another digest of ' || model FROM textclf_version
		WHERE digest <> sha256(overlay(bytes PLACING convert_to(repeat('0', 64), 'UTF8') FROM 44))};

my ($partial, $left, $during) = ('', '', 0);
for my $i (1 .. $crashes)
{
	my $kind = (sort keys %work)[ $i % 3 ];
	my $session = session_start($node, 'postgres', 'victim');

	session_send($session, $work{$kind});
	sleep(rand() * $duration{$kind} * 0.9);
	$session->{run}->pump_nb;
	$during++ unless index($session->{out}, '<done') >= 0;
	if (int($i / 3) % 2)
	{
		my $postmaster = $node->{_pid};

		$node->kill9;
		session_end($session);
		# not before the last server process has ended
		wait_until(sub { !kill(0, $postmaster) }, 60);
		wait_until(sub { $node->{_pid} = undef; $node->start(fail_ok => 1) }, 60)
		  or BAIL_OUT('the server does not start');
	}
	else
	{
		kill('KILL', $session->{pid});
		session_end($session);
	}
	$node->poll_query_until('postgres', 'SELECT true') or BAIL_OUT('the server does not come back');
	$left .= files_left();
	$partial .= ask($broken);
}
note("$crashes crashes, seed $seed, $during in the middle of something");
is($partial, '', 'no model is there in part');
is($left, '', 'no file is left behind');
cmp_ok($during, '>', 0, 'some of the crashes were in the middle');
is(ask(q{SELECT count(*) FROM textclf_model WHERE name IN ('small', 'trained', 'imported')}), '3', 'what was committed is there');
is( ask(q{SET client_min_messages = warning;
		SELECT deployed FROM textclf_train('rows', 'doc', 'label', 'trained', '{"epochs": 1, "units": 4, "max_seconds": 1}')}),
	't', 'and a training works');


# A training of hours does not outlive its server, which could not start again
# until it had ended.
my $session = session_start($node, 'postgres', 'victim');
session_send($session,
	q{SELECT textclf_train('rows', 'doc', 'label', 'endless', '{"architecture": "bilstm", "epochs": 100000, "early_stopping": 0, "units": 8}');});
ok(wait_until(sub { $session->{run}->pump_nb; $session->{err} =~ /epoch 1/ }, 60), 'a training is under way');
$node->kill9;
ok(wait_until(sub { !kill(0, $session->{pid}) }, 20), 'it ends when the postmaster is gone');
kill('KILL', $session->{pid});
session_end($session);

done_testing();
