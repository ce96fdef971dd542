# A hot standby predicts, follows the deployed version, and does not train.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TextclfTest;

my $primary = start_node('primary', streaming => 1);
create_rows($primary);
my $train = q{SET client_min_messages = warning;
	SELECT version FROM textclf_train('rows', 'doc', 'label', 'm', '{"architecture": "bilstm", "epochs": %d, "units": 8}')};
is($primary->safe_psql('postgres', sprintf($train, 2)), '1', 'trained on the primary');

$primary->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'copy', has_streaming => 1);
$standby->start;

# one session on the standby, whose cache must notice what is replayed
my $session = session_start($standby, 'postgres', 'reader');
my $ask = q{SELECT sum(textclf_probability('m', doc, label))::numeric(10,5) FROM rows};

sub same_answer
{
	my ($what) = @_;
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
	session_send($session, "$ask;");
	my $answer = session_wait($session, 60) // 'nothing';
	chomp $answer;
	is($answer, $primary->safe_psql('postgres', $ask), $what);
	return $answer;
}

my $first = same_answer('the standby predicts as the primary');
is($primary->safe_psql('postgres', sprintf($train, 6)), '2', 'trained again on the primary');
my $second = same_answer('the standby follows a new version');
isnt($second, $first, 'which gives another answer');
$primary->safe_psql('postgres', q{SELECT textclf_deploy('m', 1)});
is(same_answer('the standby follows a deployment'), $first, 'back to the first answer');
is( $standby->safe_psql('postgres', q{SELECT textclf_report('m@2')}),
	$primary->safe_psql('postgres', q{SELECT textclf_report('m@2')}), 'and tells of it what the primary tells');

is($standby->safe_psql('postgres', q{SET client_min_messages = warning; SET statement_timeout = '60s';
	SELECT count(*) FROM textclf_cross_validate('rows', 'doc', 'label', 2, '{"epochs": 1, "units": 8, "workers": 2}')}),
	'4', 'the standby cross-validates, with helpers');

like(sqlstate($standby, 'postgres', sprintf($train, 1)), qr/^25006:/, 'a training on the standby is refused');
like(sqlstate($standby, 'postgres', q{SELECT textclf_train_background('rows', 'doc', 'label', 'm')}),
	qr/^25006:/, 'a background training on the standby is refused');
like(sqlstate($standby, 'postgres', q{SELECT textclf_deploy('m', 2)}),
	qr/^25006:/, 'a deployment on the standby is refused');

# a job of the primary, whose worker the standby cannot see
my $job = $primary->safe_psql('postgres',
	q{SELECT textclf_train_background('rows', 'doc', 'label', 'long', '{"epochs": 100000, "early_stopping": 0, "units": 8}')});
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
my $state = "SELECT state, phase, error FROM textclf_jobs WHERE job = $job";
is($standby->safe_psql('postgres', $state), 'running||', 'the standby does not take a job of the primary for lost');
is($standby->safe_psql('postgres', "SELECT textclf_cancel($job)"), 'f', 'and cannot cancel it');

# promoted, it is a server like any other; the session stays
$standby->promote;
is( $standby->safe_psql('postgres', sprintf($train, 6)), '3', 'after its promotion it trains');
session_send($session, "$ask;");
my $promoted = session_wait($session, 60) // 'nothing';
chomp $promoted;
is($promoted, $standby->safe_psql('postgres', $ask), 'and its old session predicts with the new version');
isnt($promoted, $first, 'which gives another answer');
is($primary->safe_psql('postgres', $ask), $first, 'while the old primary has the old one');
like($standby->safe_psql('postgres', $state), qr/^failed\|\|/, 'a job of the old primary is lost');
session_end($session);

done_testing();
