# A subscriber that receives the tables of models predicts as the publisher, and
# follows what changes there.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TextclfTest;

my $publisher = start_node('publisher', streaming => 'logical');
my $subscriber = start_node('subscriber');
create_rows($publisher);
create_rows($subscriber);
for my $node ($publisher, $subscriber)
{
	# the same names, not the same OIDs
	$node->safe_psql('postgres', 'CREATE ROLE of_this_server_alone') if $node == $subscriber;
	$node->safe_psql('postgres', 'CREATE ROLE trainer; CREATE ROLE reader');
	$node->safe_psql('postgres', 'GRANT SELECT ON rows TO trainer, reader');
}
my $train = q{SET ROLE trainer; SET client_min_messages = warning;
	SELECT version FROM textclf_train('rows', 'doc', 'label', 'm', '{"architecture": "bilstm", "epochs": %d, "units": 8}')};
my $ask = q{SET ROLE reader; SELECT sum(textclf_probability('m', doc, label))::numeric(10,5) FROM rows};

$publisher->safe_psql('postgres', sprintf($train, 2));
$publisher->safe_psql('postgres', q{SELECT textclf_grant('m', 'reader');
	CREATE PUBLICATION models FOR TABLE textclf_model, textclf_version, textclf_deployment, textclf_permission});
$subscriber->safe_psql('postgres', sprintf(q{CREATE SUBSCRIPTION models CONNECTION '%s' PUBLICATION models},
	$publisher->connstr('postgres') =~ s/'/''/gr));
$subscriber->wait_for_subscription_sync($publisher, 'models');

sub same_answer
{
	my ($what) = @_;

	$publisher->wait_for_catchup('models');
	my $answer = $subscriber->safe_psql('postgres', $ask);
	is($answer, $publisher->safe_psql('postgres', $ask), $what);
	return $answer;
}

my $first = same_answer('the subscriber predicts as the publisher');
is($subscriber->safe_psql('postgres', q{SELECT owner FROM textclf_models}), 'trainer', 'under the same owner');
like(sqlstate($subscriber, 'postgres', q{SET ROLE of_this_server_alone; SELECT textclf_predict('m', 'x')}),
	qr/^42501:/, 'and the same rights');
$publisher->safe_psql('postgres', sprintf($train, 6));
isnt(same_answer('it follows a new version'), $first, 'which gives another answer');
$publisher->safe_psql('postgres', q{SELECT textclf_deploy('m', 1)});
is(same_answer('it follows a deployment'), $first, 'back to the first answer');
$publisher->safe_psql('postgres', q{SELECT textclf_rename('m', 'n'); SELECT textclf_rename('n', 'm')});
is(same_answer('it follows a new name'), $first, 'with the same answer');
$publisher->safe_psql('postgres', q{SELECT textclf_drop('m')});
$publisher->wait_for_catchup('models');
like(sqlstate($subscriber, 'postgres', $ask), qr/^42704:/, 'it follows a drop');

done_testing();
