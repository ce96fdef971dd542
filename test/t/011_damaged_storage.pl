# A model whose bytes are damaged on disk gives an error that names it; others,
# and the session, go on.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Utils;
use Test::More;
use TextclfTest;

my $node = start_node('main');
create_rows($node);
my $options = q{'{"epochs": 1, "units": 16, "embedding_dim": 64, "min_rows": 1}'};
$node->safe_psql(
	'postgres', qq{
	SET client_min_messages = warning;
	SELECT textclf_train('rows', 'doc', 'label', 'other', $options);
	SELECT textclf_train('rows', 'doc', 'label', 'the "model"', $options);
	CHECKPOINT});
my $file = $node->safe_psql('postgres',
	q{SELECT pg_relation_filepath(reltoastrelid) FROM pg_class WHERE oid = 'textclf_version'::regclass});
$node->stop;

# Write bytes over the last page of the TOAST table that is in use, which holds
# chunks of the model that was stored last.
sub damage
{
	my ($offset, $bytes) = @_;
	my $path = $node->data_dir . "/$file";
	my $page = int((-s $path) / 8192) - 1;

	open(my $handle, '+<', $path) or die "$path: $!";
	binmode $handle;
	seek($handle, ($page - 1) * 8192 + $offset, 0);
	print $handle $bytes;
	close($handle);
	return;
}

sub fails_with_its_name
{
	my ($what) = @_;

	for my $call (
		q{textclf_predict('the "model"', 'x')},
		q{textclf_export('the "model"@1')},
		q{textclf_tokens('the "model"', 'x')})
	{
		my $error = sqlstate($node, 'postgres', "SELECT $call");
		like($error, qr/^XX001:.*version 1 of model "the "model""/s, "$what: $call");
	}
	is($node->safe_psql('postgres', q{SELECT textclf_predict('other', 'the goal of the match') IS NOT NULL}),
		't', "$what: another model predicts");
	like(
		sqlstate($node, 'postgres', q{DO $$ BEGIN PERFORM textclf_predict('the "model"', 'x'); EXCEPTION WHEN data_corrupted THEN
			IF textclf_predict('other', 'x') IS NOT NULL THEN RAISE 'the session goes on'; END IF; END $$}),
		qr/the session goes on/, "$what: in the same session");
	return;
}

damage(4000, "\xA5");			# within the data of a chunk: nobody notices but the digest
$node->start;
fails_with_its_name('a byte');
$node->stop;
damage(0, "\0" x 8192);			# an empty page: chunks are missing
$node->start;
fails_with_its_name('a page');
$node->stop;
damage(0, "\xFF" x 8192);		# no page at all
$node->start;
fails_with_its_name('noise');
$node->safe_psql('postgres', q{SET zero_damaged_pages = on; SELECT textclf_drop('the "model"')});
is($node->safe_psql('postgres', q{SELECT count(DISTINCT name) FROM textclf_models}), '1', 'it can be dropped');

done_testing();
