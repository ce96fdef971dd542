# The README's recipe with pg_cron itself, every minute in place of every night.
use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Utils;
use Test::More;
use TextclfTest;

my $node = start_node('main');
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_cron'\ncron.host = '" . $node->host . "'");
$node->restart;
$node->safe_psql('postgres', 'CREATE EXTENSION pg_cron');

# what the README has before: table, model and the table that it labels
$node->safe_psql('postgres', $_) for
	readme_blocks('sql', 'Getting started'), readme_blocks('sql', 'Training'),
	readme_blocks('sql', 'Classify what comes in, and what was there before');
my $latest = q{SELECT max(version) FROM textclf_models WHERE name = 'routing'};
my $before = $node->safe_psql('postgres', $latest);

$node->safe_psql('postgres', $_) for readme_blocks('sql', 'Retrain every night');
is($node->safe_psql('postgres', 'SELECT count(*) FROM cron.job'), '2', 'both calls are scheduled');
$node->safe_psql('postgres', q{UPDATE mail SET version = NULL WHERE id <= 100});
$node->safe_psql('postgres', q{SELECT cron.alter_job(jobid, schedule => '* * * * *') FROM cron.job});
ok( wait_until(
		sub { $node->safe_psql('postgres', q{SELECT count(DISTINCT jobid) FROM cron.job_run_details WHERE status IN ('succeeded', 'failed')}) eq '2' }, 150),
	'both have run');
is($node->safe_psql('postgres', q{SELECT DISTINCT status, CASE status WHEN 'failed' THEN return_message END FROM cron.job_run_details}),
	'succeeded|', 'without an error');
ok(wait_until(sub { $node->safe_psql('postgres', $latest) > $before }, 60), 'there is a new version');
is($node->safe_psql('postgres', q{SELECT DISTINCT state FROM textclf_jobs WHERE model = 'routing'}), 'done', 'of a background training');
is($node->safe_psql('postgres', q{SELECT count(*) FROM mail WHERE version IS NULL}), '0', 'and every row has a label again');

done_testing();
