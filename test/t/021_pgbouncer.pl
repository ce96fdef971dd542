# Behind pgbouncer in transaction mode, as the README sets it up: server processes
# change between the transactions of a client, clients and roles between those of
# a server process, and every answer is that of a session of one's own.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TextclfTest;

my $node = start_node('main');
create_rows($node);
$node->safe_psql('postgres', q{
	CREATE ROLE granted LOGIN;
	CREATE ROLE stranger LOGIN;
	GRANT SELECT ON rows TO granted, stranger;
	SET client_min_messages = error;
	SELECT textclf_train('rows', 'doc', 'label', 'm', '{"architecture": "bilstm", "epochs": 1, "units": 8}');
	SELECT textclf_train('rows', 'doc', 'label', 'm', '{"architecture": "bilstm", "epochs": 4, "units": 8, "deploy": "never"}');
	SELECT textclf_grant('m', 'granted')});

# The README's settings, for this server; and a second database whose clients all
# share one server process and choose their role in each transaction.
my ($settings) = readme_blocks('ini', 'Behind pgbouncer');
my $directory = PostgreSQL::Test::Utils::tempdir_short();
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $server = 'host=' . $node->host . ' port=' . $node->port . ' dbname=postgres';
$settings =~ s/^mydb = .*$/mydb = $server pool_size=2\nshared = $server user=postgres pool_size=1/m;
open(my $file, '>', "$directory/pgbouncer.ini") or die $!;
print $file $settings, <<"SETTINGS";
listen_port = $port
unix_socket_dir = $directory
auth_type = trust
auth_file = $directory/users
logfile = $directory/log
pidfile = $directory/pid
SETTINGS
close($file);
open($file, '>', "$directory/users") or die $!;
print $file qq{"$_" ""\n} for qw(postgres granted stranger);
close($file);
my $pgbouncer = IPC::Run::start([ '/usr/sbin/pgbouncer', '-q', "$directory/pgbouncer.ini" ],
	'>', "$directory/out", '2>&1');

# What a client prints, without the words of psql around errors.
sub client
{
	my ($database, $role, $sql) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ 'psql', '-XqAt', '-v', 'VERBOSITY=sqlstate', '-d', "host=$directory port=$port dbname=$database user=$role" ],
		'<', \$sql, '>', \$out, '2>', \$err);
	chomp $out;
	$out .= join('', map { " $_" } $err =~ /ERROR:  (\w+)/g);
	return $out;
}
ok(wait_until(sub { client('mydb', 'granted', 'SELECT 1') eq '1' }, 30), 'pgbouncer is there')
  or diag(PostgreSQL::Test::Utils::slurp_file("$directory/out"));

my $ask = q{SELECT sum(textclf_probability('m', doc, label))::numeric(10,5) FROM rows};
my $first = $node->safe_psql('postgres', $ask);
my $second = $node->safe_psql('postgres', $ask =~ s/'m'/'m\@2'/r);
isnt($first, $second, 'the versions answer differently');

# One role and two server processes: eight clients at once, statement after
# statement, while the other version is deployed.
my @clients;
for my $i (1 .. 8)
{
	push @clients, session_through('mydb', 'granted');
}
sub session_through
{
	my ($database, $role) = @_;
	my $session = { in => '', out => '', err => '', sent => 0 };

	$session->{run} = IPC::Run::start(
		[ 'psql', '-XqAt', '-f', '-', '-d', "host=$directory port=$port dbname=$database user=$role" ],
		'<', \$session->{in}, '>', \$session->{out}, '2>', \$session->{err});
	return $session;
}
sub ask_all
{
	my ($sql) = @_;

	session_send($_, "$sql;") for @clients;
	my %answers;
	$answers{ session_wait($_, 60) // 'nothing' }++ for @clients;
	return join(' ', map { my $key = $_; my $count = $answers{$_}; chomp $key; "$key:$count" } sort keys %answers);
}
is(ask_all($ask), "$first:8", 'every client has the answer of the first version');
my %processes;
for my $round (1 .. 10)
{
	$processes{$_}++ for ask_all('SELECT pg_backend_pid()') =~ /(\d+):/g;
}
is(scalar keys %processes, 2, 'they share two server processes');
$node->safe_psql('postgres', q{SELECT textclf_deploy('m', 2)});
is(ask_all($ask), "$second:8", 'once deployed, every client has that of the second');
$node->safe_psql('postgres', q{SELECT textclf_deploy('m', 1)});
is(ask_all("BEGIN ISOLATION LEVEL REPEATABLE READ; $ask; COMMIT"), "$first:8", 'and back, in transactions too');
$node->safe_psql('postgres', q{SELECT textclf_revoke('m', 'granted')});
is(client('mydb', 'granted', $ask), ' 42501', 'a right that is taken away is gone in warm processes');
$node->safe_psql('postgres', q{SELECT textclf_grant('m', 'granted')});
is(client('mydb', 'granted', $ask), $first, 'one that is given is there');
is(client('mydb', 'stranger', $ask), ' 42501', 'another role has none');
session_end($_) for @clients;

# One server process for all roles: the cache is warm, the right is the role's.
my $pid;
for my $round (1 .. 3)
{
	for my $case ([ 'granted', $first ], [ 'stranger', ' 42501' ])
	{
		my ($role, $answer) = @$case;

		is(client('shared', 'postgres', "BEGIN; SET LOCAL ROLE $role; $ask; COMMIT"), $answer, "round $round: the shared process answers $role");
		my $now = client('shared', 'postgres', 'SELECT pg_backend_pid()');
		is($now, $pid // $now, 'it is the same process');
		$pid = $now;
	}
}
is(client('shared', 'postgres', q{SELECT model, version, hits > 0 FROM textclf_cache}), 'm|1|t', 'which has the model in memory');
is(client('shared', 'postgres', q{BEGIN; SET LOCAL textclf.cache_size = '1kB'; COMMIT; SHOW textclf.cache_size}),
	'128MB', 'a setting of one transaction is not that of the next');

# a background training asked for through it
my $job = client('mydb', 'granted', q{SELECT textclf_train_background('rows', 'doc', 'label', 'mine', '{"architecture": "bilstm", "epochs": 1, "units": 8}')});
ok(wait_until(sub { client('mydb', 'granted', "SELECT state FROM textclf_jobs WHERE job = $job") eq 'done' }, 60), 'a background training ends');
is(client('mydb', 'granted', q{SELECT owner FROM textclf_models WHERE name = 'mine'}), 'granted', 'and its model is the role\'s');

$pgbouncer->kill_kill;
done_testing();
