# Databases whose encoding is not UTF-8.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Utils;
use Test::More;
use TextclfTest;

my $node = start_node('main');

# rows with accents in texts and labels; psql sends UTF-8, the server converts
my $rows = q{
	CREATE TABLE rows (doc text, label text);
	INSERT INTO rows SELECT 'une journée d''été très ensoleillée ' || i, 'été' FROM generate_series(1, 60) i;
	INSERT INTO rows SELECT 'eine kühle Nacht im März ' || i, 'März' FROM generate_series(1, 60) i;};
my $train = q{SET client_min_messages = warning;
	SELECT version FROM textclf_train('rows', 'doc', 'label', 'seasons', '{"epochs": 5, "units": 8}');};
my $ask = q{SELECT textclf_predict('seasons', 'Une Journée ensoleillée'), textclf_predict('seasons', 'KÜHLE nacht'),
	textclf_probability('seasons', 'été', 'été')};

for my $encoding ('utf8', 'latin1')
{
	$node->safe_psql('postgres',
		"CREATE DATABASE db_$encoding TEMPLATE template0 ENCODING '$encoding' LOCALE 'C'");
	$node->safe_psql("db_$encoding", "SET client_encoding = 'UTF8'; CREATE EXTENSION textclf; $rows $train");
}
my $utf8 = $node->safe_psql('db_utf8', $ask);
like($utf8, qr/^été\|März\|/, 'UTF8: labels with accents');
is($node->safe_psql('db_latin1', "SET client_encoding = 'UTF8'; $ask"),
	$utf8, 'LATIN1: the same labels and probabilities');
is( $node->safe_psql('db_latin1', "SET client_encoding = 'UTF8'; SELECT classes FROM textclf_models"),
	$node->safe_psql('db_utf8', 'SELECT classes FROM textclf_models'),
	'LATIN1: the same classes in the view');

# A model goes from one encoding to another as a file.
sub import_statement
{
	my ($from, $model) = @_;
	my $bytes = $node->safe_psql($from, "SELECT encode(textclf_export('$model'), 'base64')");
	$bytes =~ s/\n//g;
	return "SELECT textclf_import('carried', decode('$bytes', 'base64'))";
}
$node->safe_psql('db_utf8', import_statement('db_latin1', 'seasons'));
is($node->safe_psql('db_utf8', $ask =~ s/'seasons'/'carried'/gr),
	$utf8, 'a model of a LATIN1 database answers the same in a UTF8 database');

# a page is of ASCII, whatever the encoding
my %pages = map { my ($database, $model) = @$_; $database => $node->safe_psql($database,
	"SELECT replace(replace(textclf_report('$model'), '\n', ' '), '$model', 'm')") }
  ([ 'db_utf8', 'carried' ], [ 'db_latin1', 'seasons' ]);
like($pages{db_latin1}, qr/<bdi>&#233;t&#233;<\/bdi>/, 'LATIN1: a label with accents on a page');
is($pages{db_latin1} =~ s/Stored [^<]*//r, $pages{db_utf8} =~ s/Stored [^<]*//r, 'the same page as of UTF8');

# one whose labels the other encoding cannot express is refused
$node->safe_psql('db_utf8', q{
	TRUNCATE rows;
	INSERT INTO rows SELECT 'good weather ' || i, '晴天' FROM generate_series(1, 30) i;
	INSERT INTO rows SELECT 'heavy rain ' || i, 'rain' FROM generate_series(1, 30) i;} . $train);
like(sqlstate($node, 'db_latin1', import_statement('db_utf8', 'seasons')),
	qr/^22P05:/, 'LATIN1: labels that cannot be expressed are an error');

# SQL_ASCII: bytes without a declared encoding have to be UTF-8
$node->safe_psql('postgres', q{CREATE DATABASE db_ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'});
$node->safe_psql('db_ascii', "CREATE EXTENSION textclf; $rows $train");
is($node->safe_psql('db_ascii', $ask), $utf8, 'SQL_ASCII with UTF-8 bytes: the same labels and probabilities');
like($node->safe_psql('db_ascii', q{SELECT textclf_report('seasons')}),
	qr/<bdi>&#233;t&#233;<\/bdi>/, 'SQL_ASCII: a page');

# offsets count as substr() does: characters, or bytes where the server knows none; a mark, which
# models of rows without capitals do not have, has those of its word
for my $encoding ('utf8', 'latin1', 'ascii')
{
	is( $node->safe_psql("db_$encoding", q{SET client_encoding = 'UTF8';
		SELECT string_agg(substr(doc, start_offset + 1, end_offset - start_offset), '|' ORDER BY position)
		FROM (VALUES ('été: KÜHLE  nuit')) d (doc), textclf_explain('seasons', doc)}),
		$encoding eq 'utf8' ? 'été|:|KÜHLE|nuit' : 'été|:|KÜHLE|KÜHLE|nuit', "$encoding: offsets select what was written");
}
# a normal form may have characters that the encoding lacks
is( $node->safe_psql('db_latin1', q{SET client_encoding = 'UTF8';
	SELECT (SELECT string_agg(token, '|') FROM textclf_tokens('seasons', '½ été')),
		(SELECT string_agg(token || ' ' || start_offset, '|') FROM textclf_explain('seasons', '½ été'))}),
	'1?2|été|1?2 0|été 2', 'LATIN1: a character that cannot be shown is a question mark');
like(sqlstate($node, 'db_ascii', q{SELECT textclf_predict('seasons', 'caf' || E'\xe9' || ' noir')}),
	qr/^22021:.*0xe9/s, 'SQL_ASCII: a byte that is not UTF-8 is named');
like(
	sqlstate($node, 'db_ascii', qq{INSERT INTO rows VALUES (E'na\\xefve', 'x'); $train}),
	qr/^22021:.*0xef/s, 'SQL_ASCII: also in a training');
like(
	sqlstate($node, 'db_ascii', qq{UPDATE rows SET doc = 'x', label = E'\\xff' WHERE label = 'x'; $train}),
	qr/^22021:.*0xff/s, 'SQL_ASCII: also in a label');
# the names that a model remembers are looked at before the rows are, of which these could not be learned from
like(
	sqlstate($node, 'db_ascii', q{DO $$ BEGIN
		EXECUTE format('CREATE TABLE named AS SELECT i::text AS %I, 1 AS label FROM generate_series(1, 9) i', E'\xe9');
		PERFORM textclf_train('named', E'\xe9', 'label');
	END $$}),
	qr/^22021:.*0xe9/s, 'SQL_ASCII: also in the name of a column');

done_testing();
