# What the TAP tests share: a server with the extension, rows to train on, and
# a psql session that stays open while the test looks at its server process.
package TextclfTest;

use strict;
use warnings;

use Exporter 'import';
use FindBin;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(start_node create_rows sqlstate wait_until readme_blocks
  session_start session_send session_wait session_end);

# A running server.  conf: lines for postgresql.conf; streaming: may have standbys.
sub start_node
{
	my ($name, %with) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(
		allows_streaming => $with{streaming} // 0,
		extra => [ '--encoding=UTF8', '--locale=C' ]);
	$node->append_conf('postgresql.conf', $with{conf}) if $with{conf};
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION textclf');
	return $node;
}

# Table rows, or of another name, (doc, label): three classes that a few words tell apart, each
# document with as many filling words as asked for.
sub create_rows
{
	my ($node, %with) = @_;
	my $rows = $with{rows} // 300;
	my $words = $with{words} // 3;
	my $table = $with{table} // 'rows';

	$node->safe_psql(
		$with{database} // 'postgres', qq{
		CREATE TABLE $table AS
		SELECT (ARRAY['the goal of the match', 'the price of the share', 'the light of the star'])[i % 3 + 1]
		       || (SELECT string_agg(' w' || (i * 7 + j * j * 31) % 211, '') FROM generate_series(1, $words) j) AS doc,
		       (ARRAY['sport', 'business', 'science'])[i % 3 + 1] AS label
		FROM generate_series(1, $rows) i});
	return;
}

# The SQLSTATE, message and detail with which a statement fails, or ''.
sub sqlstate
{
	my ($node, $database, $sql) = @_;
	my ($status, $stdout, $stderr) =
	  $node->psql($database, $sql, extra_params => [ '-v', 'VERBOSITY=verbose' ]);

	return $stderr =~ /^psql:\S+ ERROR:  (.*)/ms ? $1 : '';
}

# True as soon as the condition is, false if it is not within so many seconds.
sub wait_until
{
	my ($condition, $seconds) = @_;
	my $end = time() + $seconds;

	until ($condition->())
	{
		return 0 if time() > $end;
		sleep(0.01);
	}
	return 1;
}

# The blocks of the README in a language, of the whole or of the section or
# subsection of a heading.
sub readme_blocks
{
	my ($language, $heading) = @_;
	my $text = PostgreSQL::Test::Utils::slurp_file("$FindBin::RealBin/../../README.md");

	($text) = $text =~ /^(#+ \Q$heading\E\n.*?)(?=^##|\z)/ms if $heading;
	return $text =~ /^```$language\n(.*?)^```$/msg;
}

# A psql session: statements go in with session_send, and session_wait returns
# when the output has all that was sent before (or undef after the seconds).
sub session_start
{
	my ($node, $database, $name) = @_;
	my $session = { in => '', out => '', err => '', sent => 0 };

	$session->{run} = IPC::Run::start(
		[
			'psql', '-X', '-q', '-A', '-t', '-f', '-', '-d',
			$node->connstr($database) . " application_name=$name"
		],
		'<', \$session->{in}, '>', \$session->{out}, '2>', \$session->{err});
	session_send($session, 'SELECT pg_backend_pid();');
	$session->{pid} = session_wait($session, 60) + 0;
	return $session;
}

sub session_send
{
	my ($session, $sql) = @_;

	$session->{out} = $session->{err} = '';
	$session->{sent}++;
	$session->{in} .= "$sql\n\\echo <done $session->{sent}>\n";
	$session->{run}->pump_nb;
	return;
}

sub session_wait
{
	my ($session, $seconds) = @_;
	my $done = "<done $session->{sent}>\n";

	wait_until(
		sub {
			$session->{run}->pump_nb;
			return index($session->{out}, $done) >= 0;
		},
		$seconds) or return;
	return substr($session->{out}, 0, index($session->{out}, $done));
}

sub session_end
{
	my ($session) = @_;

	$session->{in} .= "\\q\n";
	eval { $session->{run}->finish };
	return;
}

1;
