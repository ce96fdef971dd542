# A subscriber that receives the tables of models predicts as the publisher, and
# follows what changes there.  Roles are the same by name, and those of no name
# are nobody's; jobs are each server's own, whatever is published.
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

# -- everything is published, in text and in the binary format, and roles and jobs are not those of the publisher

for my $binary ('false', 'true')
{
	my $everything = "everything_$binary";
	my $train = q{SET client_min_messages = warning; SELECT version FROM textclf_train('rows', 'doc', 'label', '%s', '{"architecture": "linear"}')};
	my $in_background = q{SELECT textclf_train_background('rows', 'doc', 'label', '%s', '{"architecture": "linear"}')};

	for my $node ($publisher, $subscriber)
	{
		$node->safe_psql('postgres', "CREATE DATABASE $everything");
		$node->safe_psql($everything, 'CREATE EXTENSION textclf');
		create_rows($node, database => $everything);
	}
	my $run = sub {
		my ($node, $sql) = @_;
		return $node->safe_psql($everything, $sql);
	};
	my $finish = sub {
		my ($node, $model) = @_;
		$run->($node, sprintf($in_background, $model));
		return wait_until(sub { $run->($node, "SELECT state FROM textclf_jobs WHERE model = '$model'") eq 'done' }, 60);
	};

	# the subscriber has a role of the number of one that the publisher has dropped
	$publisher->safe_psql('postgres', 'CREATE ROLE dropped; CREATE ROLE also_dropped');
	my $number = $publisher->safe_psql('postgres', q{SELECT 'dropped'::regrole::oid});
	$run->($subscriber, "CREATE ROLE thief; SET allow_system_table_mods = on; UPDATE pg_authid SET oid = $number WHERE rolname = 'thief'");
	$run->($publisher, sprintf($train, 'orphan') . q{; SELECT textclf_set_owner('orphan', 'dropped')});
	$run->($publisher, sprintf($train, 'granted') . q{; SELECT textclf_set_owner('granted', 'trainer');
		SELECT textclf_grant('granted', r) FROM unnest(ARRAY['reader', 'dropped', 'also_dropped']::regrole[]) r});
	$publisher->safe_psql('postgres', 'DROP ROLE dropped, also_dropped');
	ok($finish->($publisher, 'of_publisher'), "$everything: a job of the publisher");
	ok($finish->($subscriber, 'of_subscriber'), "$everything: and one of the same number of the subscriber");
	$run->($subscriber, 'TRUNCATE rows');

	$run->($publisher, "CREATE PUBLICATION $everything FOR ALL TABLES");
	$run->($subscriber, sprintf("CREATE SUBSCRIPTION $everything CONNECTION '%s' PUBLICATION $everything WITH (binary = $binary)",
			$publisher->connstr($everything) =~ s/'/''/gr));
	$subscriber->wait_for_subscription_sync($publisher, $everything, $everything);
	my $same = sub {
		my ($when) = @_;

		$publisher->wait_for_catchup($everything);
		is($run->($subscriber, q{SET ROLE thief; SELECT count(*) FROM textclf_models}), '0', "$everything, $when: a role of the same number owns and uses nothing");
		is($run->($subscriber, q{SELECT owner FROM textclf_models WHERE name = 'granted'}), 'trainer', "$everything, $when: an owner is the same by name");
		is($run->($subscriber, q{SELECT role FROM textclf_permission WHERE model = 'granted'}), 'reader', "$everything, $when: what a role that is gone was granted is left out");
		is($run->($subscriber, q{SET ROLE reader; SELECT textclf_predict('granted', 'the goal of the match')}), 'sport', "$everything, $when: grants hold");
		is( $run->($subscriber, q{SELECT count(*) FROM textclf_jobs}) . $run->($subscriber, q{SELECT state FROM textclf_jobs WHERE model = 'of_subscriber'}),
			'1done', "$everything, $when: the subscriber has its own jobs");
	};
	$same->('copied');
	$run->($publisher, q{SELECT textclf_rename('granted', 'other'); SELECT textclf_rename('other', 'granted');
		SELECT textclf_rename('orphan', 'other'); SELECT textclf_rename('other', 'orphan')});
	ok($finish->($publisher, 'later'), "$everything: another job of the publisher");
	$run->($publisher, q{UPDATE textclf_job SET state = 'failed'; DELETE FROM textclf_job});
	$same->('followed');
	is($run->($subscriber, q{SELECT textclf_predict('later', 'the goal of the match')}), 'sport', "$everything: the model is there");
	is($run->($subscriber, q{SELECT textclf_set_owner('orphan', 'reader'); SELECT owner FROM textclf_models WHERE name = 'orphan'}),
		"\nreader", "$everything: a superuser gives away nobody's model");
	$run->($subscriber, "DROP SUBSCRIPTION $everything");
	$subscriber->safe_psql('postgres', 'DROP ROLE thief');
}

# -- what arrives may ask for a training: a job of the subscriber's own

for my $node ($publisher, $subscriber)
{
	$node->safe_psql('postgres', 'CREATE TABLE arrivals (model text PRIMARY KEY)');
}
$subscriber->safe_psql('postgres', q{
	CREATE FUNCTION train() RETURNS trigger LANGUAGE plpgsql SET search_path = public
	AS $$ BEGIN PERFORM textclf_train_background('rows', 'doc', 'label', NEW.model, '{"architecture": "linear"}'); RETURN NULL; END $$;
	CREATE TRIGGER train AFTER INSERT ON arrivals FOR EACH ROW EXECUTE FUNCTION train();
	ALTER TABLE arrivals ENABLE ALWAYS TRIGGER train});
$publisher->safe_psql('postgres', 'CREATE PUBLICATION arrivals FOR TABLE arrivals');
$subscriber->safe_psql('postgres', sprintf(q{CREATE SUBSCRIPTION arrivals CONNECTION '%s' PUBLICATION arrivals},
	$publisher->connstr('postgres') =~ s/'/''/gr));
$subscriber->wait_for_subscription_sync($publisher, 'arrivals');
$publisher->safe_psql('postgres', q{INSERT INTO arrivals VALUES ('arrived')});
ok( wait_until(sub { $subscriber->safe_psql('postgres', q{SELECT state FROM textclf_jobs WHERE model = 'arrived'}) eq 'done' }, 60),
	'a trigger that the process of a subscription fires gets its job done');
is($subscriber->safe_psql('postgres', q{SELECT textclf_predict('arrived', 'the goal of the match')}), 'sport', 'its model predicts');

done_testing();
