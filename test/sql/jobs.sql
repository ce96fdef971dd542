-- Background trainings: what is refused, who sees and stops which job.  When
-- they run and what becomes of them is in test/t/013_background.pl.
CREATE SCHEMA jobs;
SET search_path = jobs, public;
\set VERBOSITY default
CREATE TABLE docs AS
SELECT (ARRAY['left hand', 'right foot'])[i % 2 + 1] || ' ' || i % 7 AS doc, (ARRAY['left', 'right'])[i % 2 + 1] AS label, i AS number
FROM generate_series(1, 120) i;
CREATE ROLE regress_textclf_trainer LOGIN;
CREATE ROLE regress_textclf_nologin;
CREATE ROLE regress_textclf_member;
CREATE ROLE regress_textclf_stranger LOGIN;
CREATE ROLE regress_textclf_watcher;
GRANT regress_textclf_trainer TO regress_textclf_member;
GRANT pg_read_all_stats TO regress_textclf_watcher;
GRANT USAGE ON SCHEMA jobs TO PUBLIC;
GRANT SELECT ON docs TO regress_textclf_trainer, regress_textclf_nologin;
GRANT SELECT (doc) ON docs TO regress_textclf_stranger;

-- arguments, as textclf_train checks them, at once
SELECT textclf_train_background(NULL, 'doc', 'label');
SELECT textclf_train_background('docs', NULL, 'label');
SELECT textclf_train_background('docs', 'doc', NULL);
SELECT textclf_train_background('no_such_table', 'doc', 'label');
SELECT textclf_train_background('docs', 'body', 'label');
SELECT textclf_train_background('docs', 'number', 'label');
SELECT textclf_train_background('docs', 'doc', 'label', 'm@2');
\set VERBOSITY terse
SELECT textclf_train_background('docs', 'doc', 'label', 'm', '{"epoch": 1}');
SELECT textclf_train_background('docs', 'doc', 'label', 'm', '{"epochs": 0, "seed": 1}');
\set VERBOSITY default
SELECT textclf_train_background('docs', 'doc', 'label', 'm', '{"deploy": "if_better", "validation_split": 0}');
CREATE TEMPORARY TABLE passing AS SELECT * FROM docs;
SELECT textclf_train_background('passing', 'doc', 'label');
BEGIN READ ONLY;
SELECT textclf_train_background('docs', 'doc', 'label');
ROLLBACK;
-- in an index expression, which another role's command may evaluate
CREATE FUNCTION sneak(doc text) RETURNS bigint IMMUTABLE LANGUAGE sql SET search_path = jobs, public
AS $$ SELECT textclf_train_background('docs', 'doc', 'label', 'm') $$;
CREATE INDEX ON docs (sneak(doc));
DROP FUNCTION sneak;

-- roles
SET ROLE regress_textclf_nologin;
SELECT textclf_train_background('docs', 'doc', 'label', 'm');
SET ROLE regress_textclf_stranger;
SELECT textclf_train_background('docs', 'doc', 'label', 'm');
RESET ROLE;
SET client_min_messages = warning;
SELECT version FROM textclf_train('docs', 'doc', 'label', 'taken', '{"epochs": 1, "units": 2, "embedding_dim": 2}');
RESET client_min_messages;
SET ROLE regress_textclf_trainer;
SELECT textclf_train_background('docs', 'doc', 'label', 'taken');
RESET ROLE;

-- a job of this transaction
SET ROLE regress_textclf_trainer;
SET textclf.training_memory = '20MB';
BEGIN;
SELECT textclf_train_background('docs', 'doc', 'label', 'm', '{"epochs": 3}') AS job \gset
SELECT textclf_train_background('docs', 'doc', 'label', NULL, NULL) > :job AS ascending;
SELECT model, source, role, state, phase, pid, epoch, epochs, loss, rows_per_second, time_left, requested = now() AS requested,
	started, finished, version, deployed, error FROM textclf_jobs;
RESET ROLE;
SELECT options, settings FROM textclf_job WHERE id >= :job ORDER BY id;
SET ROLE regress_textclf_member;
SELECT count(*) FROM textclf_jobs;
SET ROLE regress_textclf_watcher;
SELECT count(*) FROM textclf_jobs WHERE job >= :job;
SAVEPOINT a;
SELECT textclf_cancel(:job);
ROLLBACK TO a;
SET ROLE regress_textclf_stranger;
SELECT count(*) FROM textclf_jobs;
SELECT textclf_cancel(:job);
ROLLBACK TO a;
SET ROLE regress_textclf_member;
SELECT textclf_cancel(:job), textclf_cancel(:job) AS again;
SELECT state, started, finished IS NOT NULL AS finished, error FROM textclf_jobs WHERE job = :job;
ROLLBACK;
RESET ROLE;
RESET textclf.training_memory;
SELECT textclf_cancel(:job);
SELECT textclf_cancel(NULL) IS NULL AS nothing;

-- whoever may write to all tables may set the sequence of ids, too: what is taken is passed over, and there is no end to them
CREATE ROLE regress_textclf_writer IN ROLE pg_write_all_data;
CREATE FUNCTION set_sequence(id bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL ROLE regress_textclf_writer;
	PERFORM setval('public.textclf_job_id_seq', id, false);
	RESET ROLE;
END $$;
SELECT last_value + 1 AS next FROM textclf_job_id_seq \gset
BEGIN;
SELECT set_sequence(1000000);
SELECT textclf_train_background('docs', 'doc', 'label', 'm');
SELECT set_sequence(999999);
SELECT textclf_train_background('docs', 'doc', 'label', 'm') FROM generate_series(1, 2);
SELECT set_sequence(9223372036854775807);
SELECT textclf_train_background('docs', 'doc', 'label', 'm') > 0 AS asked FROM generate_series(1, 2);
SELECT count(DISTINCT job) FROM textclf_jobs WHERE model = 'm';
ROLLBACK;
SELECT set_sequence(:next);
DROP FUNCTION set_sequence;
DROP ROLE regress_textclf_writer;

-- the whole way, and waiting for it
CREATE PROCEDURE wait_for_jobs() LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. 6000 LOOP
		EXIT WHEN NOT EXISTS (SELECT FROM textclf_jobs WHERE state IN ('queued', 'running'));
		PERFORM pg_sleep(0.01);
	END LOOP;
END $$;
SELECT textclf_train_background('docs', 'doc', 'label', 'm', '{"architecture": "bilstm", "epochs": 2, "units": 4, "embedding_dim": 4}') AS job \gset
CALL wait_for_jobs();
SELECT model, source, state, phase, pid, epoch, epochs, loss > 0 AS loss, version, deployed, error, warning FROM textclf_jobs WHERE job = :job;
SELECT version, deployed, source FROM textclf_models WHERE name = 'm';
SELECT textclf_cancel(:job);

-- in a query that would have parallel workers
SELECT count(set_config(name, 'regress', false)) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
SELECT state FROM textclf_jobs WHERE job = :job;
SELECT count(set_config(name, 'off', false)) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');

-- jobs that ended long ago are forgotten by the next, whatever becomes of that
UPDATE textclf_job SET finished = now() - interval '31 days' WHERE id = :job;
CREATE VIEW none AS SELECT * FROM docs WHERE number < 0;
SELECT textclf_train_background('none', 'doc', 'label', 'm') AS job \gset
CALL wait_for_jobs();
SELECT model, state, error FROM textclf_jobs;
DELETE FROM textclf_job;

-- few rows
CREATE VIEW few AS SELECT * FROM docs WHERE number <= 20;
SELECT textclf_train_background('few', 'doc', 'label', 'm', '{"architecture": "linear", "deploy": "never"}') AS job \gset
CALL wait_for_jobs();
SELECT model, state, version, deployed, error, warning FROM textclf_jobs;
SET ROLE regress_textclf_watcher;
SELECT model, state, version, warning FROM textclf_jobs;
RESET ROLE;

-- what is set for sessions of the role makes no other role of it, and does not keep it from waiting or from telling an error
CREATE ROLE regress_textclf_other LOGIN;
GRANT regress_textclf_other TO regress_textclf_trainer;
ALTER ROLE regress_textclf_trainer SET role = 'regress_textclf_other';
ALTER ROLE regress_textclf_trainer SET lock_timeout = '1ms';
ALTER ROLE regress_textclf_trainer SET exit_on_error = on;
CREATE TABLE empty AS SELECT * FROM docs LIMIT 0;
CREATE TABLE gone AS SELECT * FROM docs;
GRANT SELECT ON empty, gone TO regress_textclf_trainer;
DELETE FROM textclf_job;
BEGIN;
SET LOCAL ROLE regress_textclf_trainer;
SELECT count(textclf_train_background(source, 'doc', 'label', 'of_trainer', '{"architecture": "linear"}'))
FROM unnest(ARRAY['docs', 'empty', 'gone']::regclass[]) AS source;
RESET ROLE;
DROP TABLE gone;
COMMIT;
CALL wait_for_jobs();
SELECT source, role, state, error FROM textclf_jobs ORDER BY job;
SELECT owner FROM textclf_models WHERE name = 'of_trainer';
DROP ROLE regress_textclf_other;

-- the table is nobody's to read
SET ROLE regress_textclf_trainer;
SELECT count(*) FROM textclf_job;
RESET ROLE;

-- leave nothing
SET client_min_messages = warning;
DELETE FROM textclf_job;
SELECT count(textclf_drop(name)) FROM (SELECT DISTINCT name FROM textclf_models) m;
DROP TABLE passing;
DROP SCHEMA jobs CASCADE;
DROP ROLE regress_textclf_trainer, regress_textclf_nologin, regress_textclf_member, regress_textclf_stranger, regress_textclf_watcher;
