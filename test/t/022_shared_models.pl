# Models are mapped once for all sessions: from a file that goes with its model,
# after a crash, and into no backup, and that is believed only as the server wrote it.
use strict;
use warnings;

use File::Copy;
use FindBin;
use lib $FindBin::RealBin;
use POSIX qw(mkfifo);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TextclfTest;

my $node = start_node('primary', streaming => 1, conf => "restart_after_crash = on\nautovacuum = off\n");
my $directory = $node->data_dir . '/base/pgsql_tmp';

sub ask { return $node->safe_psql('postgres', $_[0]) }

sub images { my @found = sort glob("$directory/pgsql_tmp_textclf_*"); return @found }

sub count { return scalar(my @found = images()) }

sub inode { return (stat $_[0])[1] // 0 }

sub set_cache
{
	my ($size) = @_;
	ask("LOAD 'textclf'; ALTER SYSTEM SET textclf.shared_cache_size = '$size'");
	$node->reload;
	ok( wait_until(sub { ask(q{LOAD 'textclf'; SHOW textclf.shared_cache_size}) eq $size }, 60), "the cache may have $size");
	return;
}

# Ask in a session that stays.
sub ask_session
{
	my ($session, $sql) = @_;
	session_send($session, "$sql;");
	my $answer = session_wait($session, 60) // 'nothing';
	chomp $answer;
	return $answer;
}

# The images that a session has mapped: their inodes, and how many kB are the session's own
sub mapped
{
	my ($session) = @_;
	my (%private, $inode);

	open(my $smaps, '<', "/proc/$session->{pid}/smaps") or return;
	while (my $line = <$smaps>)
	{
		($inode) = $line =~ m{ (\d+) +/.*/pgsql_tmp_textclf_} if $line =~ /^[0-9a-f]+-[0-9a-f]+ /;
		$private{$inode} += $1 if defined $inode && $line =~ /^Private_(?:Clean|Dirty): +(\d+)/;
	}
	close($smaps);
	return %private;
}

# A network of several MB, quickly trained
create_rows($node, rows => 300, words => 30);
my $large = '"architecture": "bilstm", "embedding_dim": 4000, "units": 16, "precision": "float32", "min_count": 1, "max_seconds": 1, "epochs": 1';
my $small = '"architecture": "bilstm", "embedding_dim": 8, "units": 8, "min_count": 1, "epochs": 2';
my $train = q{SET client_min_messages = warning; SELECT version FROM textclf_train('rows', 'doc', 'label', '%s', '{%s}')};
my $predict = q{SELECT sum(textclf_probability('m', doc, label))::numeric(10,5) FROM rows};
my $entry = q{SELECT shared, private_bytes < 2000000, bytes > 3000000 FROM textclf_cache WHERE model = 'm'};

# ---- one copy for all ----

ask(sprintf($train, 'm', $large));
set_cache('0');
my $right = ask($predict);
is(ask("$predict \\g /dev/null\n$entry"), 'f|f|t', 'without sharing, a model is its session\'s own');
is(count(), 0, 'and there is no file');
set_cache('1GB');

my @sessions = map { session_start($node, 'postgres', "reader$_") } 1 .. 2;
is(ask_session($_, $predict), $right, 'the same answer from a shared model') for @sessions;
is(ask_session($_, $entry), 't|t|t', 'which takes little memory of a session') for @sessions;
my ($image) = images();
is(count(), 1, 'one file');
is((stat $image)[2] & 07777, 0600, 'for nobody else to read');
for my $session (@sessions)
{
	my %mapped = mapped($session);

	is(join(' ', keys %mapped), inode($image), 'a session has mapped it');
	cmp_ok($mapped{ inode($image) }, '<', 100, 'and next to nothing of it is its own');
}
like(sqlstate($node, 'postgres', q{CREATE ROLE stranger; SET ROLE stranger; SELECT textclf_predict('m', 'the goal')}),
	qr/^42501:/, 'who may not use the model is not helped by the file');

# many at once, none of whom finds a file
session_end($_) for @sessions;
unlink $image;
@sessions = map { session_start($node, 'postgres', "reader$_") } 1 .. 6;
session_send($_, "$predict;") for @sessions;
is(session_wait($_, 60), "$right\n", 'the same answer to each of many at once') for @sessions;
is(count(), 1, 'one file, and nothing that is not whole');
($image) = images();
unlike($image, qr/\.[0-9]+$/, 'whole');

# ---- it comes and goes with its version ----

my $before = join ' ', images();
is(ask("BEGIN; " . sprintf($train, 'new', $small) . "; SELECT textclf_predict('new', 'the goal') IS NOT NULL; ROLLBACK"),
	"1\nt", 'a model that is not committed predicts');
is(join(' ', images()), $before, 'and is not shared');

is(ask(sprintf($train, 'm', $large)), '2', 'trained again');
ask_session($_, $predict) for @sessions;
is(count(), 2, 'the new version has a file of its own');
my ($old, $new) = ($image, grep { $_ ne $image } images());
for my $session (@sessions)
{
	my %mapped = mapped($session);
	ok(exists $mapped{ inode($new) }, 'which a session has mapped');
}

ask(q{BEGIN; SELECT textclf_drop('m@1'); ROLLBACK});
ok(-e $old, 'a drop that is rolled back leaves the file');
ask(q{SELECT textclf_drop('m@1')});
ok(!-e $old, 'a drop removes it');
ok(-e $new, 'and no other');
ask_session($sessions[0], "SET textclf.keep_versions = 1; " . sprintf($train, 'm', $small));
ok(!-e $new, 'a version that is trimmed takes its file with it');
$right = ask($predict);
is(ask_session($_, $predict), $right, 'sessions follow') for @sessions;

ask(q{DELETE FROM textclf_version WHERE model = 'm'});
is(count(), 1, 'a version can go behind our back');
ask(sprintf($train, 'other', $small) . q{; SELECT textclf_predict('other', 'the goal')});
is(count(), 1, 'then its file goes when the next model is loaded');

$node->safe_psql('postgres', 'CREATE DATABASE second');
$node->safe_psql('second', 'CREATE EXTENSION textclf');
create_rows($node, database => 'second');
$node->safe_psql('second', sprintf($train, 'm', $small) . q{; SELECT textclf_predict('m', 'the goal')});
is(count(), 2, 'a file of another database');
ask('DROP DATABASE second');
ask(q{SELECT textclf_predict('other', 'the goal')});
is(count(), 1, 'goes, too, once that is gone');
session_end($_) for @sessions;

# ---- what others put there ----

ask(sprintf($train, 'm', $small));
$right = ask($predict);
ask(q{SELECT textclf_drop('other')});
($image) = images();
is(count(), 1, 'one file to tamper with');
my $copy = $node->data_dir . '/copy';
copy($image, $copy) or die;
chmod(0600, $copy);

# What is at the place of the image is put there by plant, and must not be mapped.
sub not_mapped
{
	my ($what, $plant) = @_;

	$plant->();
	my $planted = (lstat $image)[1];
	my $session = session_start($node, 'postgres', 'victim');
	is(ask_session($session, $predict), $right, "$what: the right answer");
	my %mapped = mapped($session);
	if (-d $image)
	{
		is(scalar(keys %mapped), 0, "$what: nothing is mapped");
		rmdir $image;
	}
	else
	{
		ok(!exists $mapped{$planted}, "$what: is not mapped");
		is(join(' ', keys %mapped), inode($image), "$what: is replaced");
	}
	session_end($session);
	return;
}

# Overwrite bytes of the image, in place.
sub overwrite
{
	my ($at, $bytes) = @_;
	open(my $file, '+<', $image) or die;
	seek($file, $at, 0);
	print $file $bytes;
	close($file);
	return;
}

not_mapped('an empty file', sub { truncate($image, 0) });
not_mapped('a file without an end', sub { truncate($image, (-s $image) - 64) });
not_mapped('a file with a longer end', sub { open(my $f, '>>', $image) or die; print $f 'x' x 64; close $f });
not_mapped('a file that was written to', sub { overwrite(20000, "\x7f" x 16) });
not_mapped('a file that was written to, back in time', sub {
	my $time = (stat $image)[9];
	overwrite(4096 + 30, "\x7f" x 4);
	utime($time, $time, $image) });
not_mapped('a header of zeros', sub { overwrite(0, "\0" x 200) });
not_mapped('a copy', sub { unlink $image; copy($copy, $image) or die; chmod(0600, $image) });
not_mapped('a file that others can read', sub { chmod(0644, $image) });
not_mapped('a symbolic link', sub { rename($image, "$image.moved"); symlink("$image.moved", $image) });
not_mapped('a pipe', sub { unlink $image; mkfifo($image, 0600) or die });
not_mapped('a directory', sub { unlink $image; mkdir $image });
unlink glob("$directory/*.moved");

# ---- where nothing can be written ----

rename($directory, "$directory.away") or die;
open(my $file, '>', $directory) or die;
close($file);
is(ask("$predict; SELECT shared FROM textclf_cache"), "$right\nf", 'without a directory, models are private');
unlink $directory;
is(ask("$predict; SELECT shared FROM textclf_cache"), "$right\nt", 'the directory is made if need be');
set_cache('16kB');
is(ask($predict), $right, 'the cache may become smaller');
is(count(), 0, 'then what does not fit any more is gone');
is(ask("$predict; SELECT shared FROM textclf_cache"), "$right\nf", 'a model that does not fit is private');
is(count(), 0, 'and not shared');

# ---- the least recently mapped ones go ----

set_cache('1GB');
ask(sprintf($train, $_, $large)) for 'a', 'b', 'c';
ask(q{SELECT textclf_predict('a', 'the goal'), textclf_predict('b', 'the goal')});
my $size = int((-s (images())[0]) * 2.5 / 1024);
set_cache("${size}kB");
utime(time() - 1000, (stat $_)[9], $_) for images();
ask(q{SELECT textclf_predict('a', 'the goal')});
my ($used) = sort { (stat $b)[8] <=> (stat $a)[8] } images();
ask(q{SELECT textclf_predict('c', 'the goal')});
is(count(), 2, 'two of three fit');
ok(-e $used, 'one of them is what was used last');
set_cache('1GB');
ask(q{SELECT textclf_drop(name) FROM textclf_models WHERE name <> 'm'});

# ---- backups, standbys, crashes ----

ask($predict);
isnt(count(), 0, 'there is a file');
$node->backup('copy');
is(scalar(my @in_backup = glob($node->backup_dir . '/copy/base/pgsql_tmp/*')), 0, 'that no base backup has');

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
ask(sprintf($train, 'other', $small));
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is($standby->safe_psql('postgres', "$predict; SELECT shared FROM textclf_cache"), "$right\nt", 'a standby shares models of its own');
ask(q{SELECT textclf_drop('m')});
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
$standby->safe_psql('postgres', q{SELECT textclf_predict('other', 'the goal')});
is(scalar(my @on_standby = glob($standby->data_dir . '/base/pgsql_tmp/pgsql_tmp_textclf_*')), 1, 'and forgets those that were dropped');
$standby->stop;

my $forget = q{SELECT textclf_predict('other', 'the goal')};

# A server process is killed; wait until the server is up again.
sub crash
{
	my $session = session_start($node, 'postgres', 'victim');
	my $start = ask('SELECT pg_postmaster_start_time()');

	ask_session($session, $forget);
	kill 'KILL', $session->{pid};
	eval { $session->{run}->finish };
	ok( wait_until(sub { -e $node->data_dir . '/postmaster.pid'
			&& ($node->psql('postgres', 'SELECT 1'))[0] == 0 }, 60), 'the server recovers from a crash');
	return;
}

crash();
is(count(), 0, 'after a crash there is no file');
ask('ALTER SYSTEM SET remove_temp_files_after_crash = off');
$node->reload;
crash();
is(count(), 1, 'unless it is to be kept');
is(ask("$forget; SELECT shared FROM textclf_cache") =~ /\nt$/, 1, 'then it is used again');
$node->stop('immediate');
$node->start;
is(count(), 0, 'a start of the server removes it');
$node->stop;

done_testing();
