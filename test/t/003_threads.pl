# No threads in a server process: neither training nor predicting starts one.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Utils;
use Test::More;
use TextclfTest;

plan skip_all => 'needs /proc' unless -d "/proc/$$/task";

my $node = start_node('main', conf => q{shared_preload_libraries = 'textclf'});
create_rows($node);

sub threads { my @tasks = glob("/proc/$_[0]/task/*"); return scalar @tasks }

# Which files the process has mapped under a name
sub mapped
{
	my ($pid, $name) = @_;
	open(my $maps, '<', "/proc/$pid/maps") or die "maps of $pid: $!";
	return scalar grep { /\Q$name\E/ } <$maps>;
}

my $session = session_start($node, 'postgres', 'threads');
session_send($session,
	q{SELECT textclf_train('rows', 'doc', 'label', 'm', '{"epochs": 2}'); }
	  . q{SELECT textclf_predict('m', doc) FROM rows LIMIT 10;});
isnt(session_wait($session, 120), undef, 'trained and predicted');
is(threads($session->{pid}), 1, 'the backend has one thread');

my ($postmaster) = split /\n/, PostgreSQL::Test::Utils::slurp_file($node->data_dir . '/postmaster.pid');
is(threads($postmaster), 1, 'the postmaster has one thread');
is(mapped($postmaster, 'openblas'), 0, 'the postmaster has not loaded OpenBLAS');

my $library = $node->safe_psql('postgres', 'SHOW textclf.blas_library');
SKIP:
{
	skip "no $library here", 3 unless -e $library;
	cmp_ok(mapped($session->{pid}, 'openblas'), '>', 0, 'the backend trained with OpenBLAS');

	# OpenBLAS asks for memory for ever, and the process hears no signal: it is not asked to
	my $poor = session_start($node, 'postgres', 'poor');
	my ($size) = PostgreSQL::Test::Utils::slurp_file("/proc/$poor->{pid}/status") =~ /^VmSize:\s+(\d+) kB/m;
	PostgreSQL::Test::Utils::system_or_bail('prlimit', "--pid=$poor->{pid}", '--as=' . ($size + 64 * 1024) * 1024 . ':');
	session_send($poor, q{SELECT count(*) FROM textclf_explain('m', 'a text');});
	isnt(session_wait($poor, 60), undef, 'where there is no memory for its buffer it is done without') or kill('KILL', $poor->{pid});
	is(mapped($poor->{pid}, 'openblas'), 0, 'and not loaded');
	session_end($poor);
}
session_end($session);

done_testing();
