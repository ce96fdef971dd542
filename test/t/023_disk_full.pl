# When the disk is full, what needs room fails with 53100 and leaves nothing, the
# server stays up, and all works again when there is room.
#
# The data directory is on a small file system of its own, in a name space where
# this user may mount one; where that is not allowed the test is skipped.
use strict;
use warnings;

BEGIN
{
	# Begin again inside, as the same user: a server does not run as root.
	if (!$ENV{TEXTCLF_SMALL_DISK})
	{
		my $disk = ($ENV{TESTDATADIR} // 'tmp_check') . '/small_disk';
		my ($user, $group) = ($>, (split ' ', $))[0]);
		my $inside = "mount -t tmpfs -o size=160m,mode=700 tmpfs \"\$TEXTCLF_SMALL_DISK\" && "
		  . "exec unshare --map-user=$user --map-group=$group \"\$@\"";

		system('mkdir', '-p', $disk);
		$ENV{TEXTCLF_SMALL_DISK} = $disk;
		if (system('unshare', '-rm', 'sh', '-c', $inside, 'sh', 'true') != 0)
		{
			print "1..0 # SKIP no file system can be mounted here\n";
			exit 0;
		}
		exec('unshare', '-rm', 'sh', '-c', $inside, 'sh', $^X, (map { "-I$_" } @INC), $0) or die "unshare: $!";
	}
	# What the test writes on its own account is elsewhere.
	$ENV{TESTLOGDIR} //= ($ENV{TESTDIR} // '.') . '/tmp_check/log';
	system('mkdir', '-p', $ENV{TESTLOGDIR}, "$ENV{TEXTCLF_SMALL_DISK}/tmp_check");
	symlink($ENV{TESTLOGDIR}, "$ENV{TEXTCLF_SMALL_DISK}/tmp_check/log") or die "log: $!";
	$ENV{TESTDIR} = $ENV{TESTDATADIR} = $ENV{TEXTCLF_SMALL_DISK};
}

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TextclfTest;

# Without room for WAL a server panics, whatever runs in it: that is elsewhere.
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--locale=C', "--waldir=" . PostgreSQL::Test::Utils::tempdir_short() . '/wal' ]);
$node->append_conf('postgresql.conf', q{
autovacuum = off
max_wal_size = 64MB
textclf.shared_cache_size = 64MB
});
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION textclf');
create_rows($node, words => 40);
create_rows($node, table => 'many', rows => 30_000, words => 40);
my $started = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');

# -- a disk with so much room

my $ballast = "$ENV{TESTDATADIR}/ballast";

sub room
{
	my ($bytes) = @_;
	my $block = "\1" x 65536;

	open(my $file, '>>', $ballast) or die "$ballast: $!";
	1 while syswrite($file, $block);
	truncate($file, (-s $ballast) > $bytes ? (-s $ballast) - $bytes : 0) or die "$ballast: $!";
	close($file);
	return;
}

sub ask { return $node->safe_psql('postgres', 'SET client_min_messages = warning; ' . $_[0]) }

# All that a failed statement could leave
sub traces
{
	return ask(q{SELECT (SELECT count(*) FROM textclf_version) || ' versions, ' || (SELECT count(*) FROM textclf_deployment) || ' deployments, '
		|| (SELECT count(*) FROM pg_ls_tmpdir() WHERE name !~ 'textclf' OR name ~ '[.]') || ' files, '
		|| (SELECT count(*) FROM textclf_verify() WHERE NOT ok) || ' damaged'});
}

# A model of some megabytes, and one that is used meanwhile
my $large = '"architecture": "bilstm", "epochs": 1, "embedding_dim": 4000, "units": 8, "storage": "float32", "precision": "float32"';
ask(q{SELECT version FROM textclf_train('rows', 'doc', 'label', 'used', '{"epochs": 1, "units": 8, "embedding_dim": 8}')});
ask("SELECT version FROM textclf_train('rows', 'doc', 'label', 'large', '{$large}')");
my $answers = q{SELECT md5(string_agg(textclf_predict_proba::text, ',' ORDER BY doc)) FROM (SELECT doc FROM rows LIMIT 200) r, textclf_predict_proba('%s', doc)};
my %answers = map { $_ => ask(sprintf($answers, $_)) } qw(used large);
cmp_ok(ask(q{SELECT bytes FROM textclf_models WHERE name = 'large'}), '>', 4_000_000, 'a model of some megabytes');

my $linear = '"architecture": "linear", "char_ngrams": false';
my %statements = (
	'a training' => "SELECT version FROM textclf_train('rows', 'doc', 'label', 'new', '{$large}')",
	'a training with rows on disk' =>
	  "SET textclf.training_memory = '8MB'; SELECT version FROM textclf_train('many', 'doc', 'label', 'linear', '{$linear}')",
	'an import' => "SELECT textclf_import('copy', textclf_export('large'))");

# -- full

for my $room (0, 1_000_000, 2_500_000)
{
	for my $name (sort keys %statements)
	{
		my $before = traces();

		room($room);
		my $error = sqlstate($node, 'postgres', "SET client_min_messages = warning; $statements{$name}");
		like($error, qr/^53100: /, "$name with $room bytes of room says that the disk is full");
		is(ask(sprintf($answers, 'used')), $answers{used}, 'meanwhile models predict');
		is(ask(sprintf($answers, 'large')), $answers{large}, 'whatever their size');
		unlink $ballast;
		is(traces(), $before, 'nothing is left');
	}
}
is(ask('SELECT pg_postmaster_start_time()'), $started, 'the server has been up all the time');

# -- a job

room(300_000);
my $job = ask("SELECT textclf_train_background('rows', 'doc', 'label', 'job', '{$large}')");
$node->poll_query_until('postgres', "SELECT state NOT IN ('queued', 'running') FROM textclf_jobs WHERE job = $job");
like(ask("SELECT state || ' ' || error FROM textclf_jobs WHERE job = $job"), qr/^failed 53100: /, 'a job says so, too');

# -- room again

unlink $ballast;
for my $name (sort keys %statements)
{
	is(sqlstate($node, 'postgres', "SET client_min_messages = warning; $statements{$name}"), '', "$name succeeds with room");
}
is(ask(sprintf($answers, 'copy@1')), $answers{large}, 'and answers right');
is(ask('SELECT count(*) FROM textclf_verify() WHERE NOT ok'), '0', 'all models are whole');
$node->restart;
is(ask(sprintf($answers, 'large')), $answers{large}, 'after a restart, too');

done_testing();
