# The README's recipe with PostGraphile itself, from the npm registry: its commands
# as they stand, for this server and another port.
use strict;
use warnings;

use FindBin;
use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TextclfTest;

my $node = start_node('main');
$node->safe_psql('postgres', $_) for readme_blocks('sql', 'Getting started'), readme_blocks('sql', 'Training'),
	readme_blocks('sql', 'A GraphQL front');

my $directory = PostgreSQL::Test::Utils::tempdir();
my $port = PostgreSQL::Test::Cluster::get_free_port();
my ($serve, $ask) = readme_blocks('sh', 'A GraphQL front');
open(my $file, '>', "$directory/postgraphile.tags.json5") or die $!;
print $file readme_blocks('json5', 'A GraphQL front');
close($file);

my $connection = 'socket:' . $node->host . '?db=postgres';
chomp $serve;
like($serve, qr{^npx postgraphile\@4 -c postgres://web\@\S+ .*$}, 'the command is what this test knows');
$serve =~ s{^npx}{npx --yes};
$serve =~ s{-c \S+}{-c '$connection'};
$ENV{PGUSER} = 'web';
$ENV{PGPORT} = $node->port;
my $server = IPC::Run::start(
	[ 'setsid', '--wait', 'sh', '-c', "echo \$\$ >'$directory/pid'; cd '$directory' && $serve --host 127.0.0.1 --port $port" ],
	'<', \undef, '>', "$directory/log", '2>&1');
delete @ENV{qw(PGUSER PGPORT)};

sub ask
{
	my ($command) = @_;
	my $out = '';

	$command =~ s{localhost:5000}{127.0.0.1:$port};
	IPC::Run::run([ 'sh', '-c', $command ], '>', \$out);
	return eval { decode_json($out) } // $out;
}
sub query
{
	my ($query) = @_;
	my $json = encode_json({ query => $query });

	$json =~ s/'/'\\''/g;
	return ask("curl -s http://localhost:5000/graphql -H 'Content-Type: application/json' -d '$json'");
}

ok(wait_until(sub { ref query('{ __typename }') }, 300), 'it serves')
  or diag(PostgreSQL::Test::Utils::slurp_file("$directory/log"));
my $answer = ask($ask);
is($answer->{data}{textclfPredictProba}{nodes}[0]{label}, 'billing', 'the question of the README is answered');

$answer = query('{ textclfReport(model: "routing") textclfProbability(model: "routing", doc: "the app crashes", label: "technical") '
	. 'textclfTokens(model: "routing", doc: "the app") { nodes { token } } allTextclfModels { nodes { name deployed } } }');
like($answer->{data}{textclfReport}, qr/^<!DOCTYPE html>/, 'the page');
cmp_ok($answer->{data}{textclfProbability}, '>', 0.5, 'a probability');
is_deeply([ map { $_->{token} } @{ $answer->{data}{textclfTokens}{nodes} } ], [ 'the', 'app' ], 'a set of rows');
is_deeply([ sort { $a cmp $b } map { $_->{name} } @{ $answer->{data}{allTextclfModels}{nodes} } ], [ 'routing', 'routing' ],
	'the view has the models of the role');

# what the role may not, nobody may who asks
$answer = query('{ textclfReport(model: "tickets") }');
like($answer->{errors}[0]{message}, qr/permission denied for model "tickets"/, 'a model that is not granted');
$answer = query('mutation { textclfDrop(input: { model: "routing" }) { clientMutationId } }');
like($answer->{errors}[0]{message}, qr/must be owner of model "routing"/, 'what changes a model is a mutation, and its owner\'s');

done_testing();

# npx leaves its child alone when it is stopped
END
{
	my $status = $?;
	kill('KILL', -PostgreSQL::Test::Utils::slurp_file("$directory/pid")) if $directory && -s "$directory/pid";
	$server->kill_kill if $server;
	$? = $status;
}
