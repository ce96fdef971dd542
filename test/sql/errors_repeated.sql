-- Ten thousand errors raised inside calls leave no memory behind, and the next
-- call is right.
CREATE SCHEMA errors_repeated;
SET search_path = errors_repeated, public;
SET textclf.progress = off;
\getenv abs_srcdir PG_ABS_SRCDIR
\set file :abs_srcdir '/include/every_function.sql'
\set ECHO none
\i :file
\set ECHO all
SET max_parallel_workers_per_gather = 0;	-- errors of this process, not of workers
CREATE TABLE docs AS
SELECT (ARRAY['left hand', 'right foot'])[i % 2 + 1] || ' ' || i % 7 AS doc, (ARRAY['left', 'right'])[i % 2 + 1] AS label
FROM generate_series(1, 120) i;
CREATE TABLE one_class AS SELECT doc, 'one' AS label FROM docs;
CREATE TABLE long_label AS SELECT doc, CASE WHEN i = 100 THEN repeat('l', 10001) ELSE label END AS label FROM (SELECT *, row_number() OVER () AS i FROM docs) d;
CREATE TABLE stops AS SELECT row_number() OVER () AS i, doc, label FROM docs;
-- the executor fails under our feet
CREATE VIEW fails AS SELECT doc, label FROM stops WHERE 1 / (i - 100) <= 1;
CREATE TABLE classified (doc text, label text);
CREATE TRIGGER classify BEFORE INSERT ON classified FOR EACH ROW EXECUTE FUNCTION textclf_classify('nobody', 'doc', 'label');
CREATE ROLE regress_textclf_stranger;
GRANT SELECT ON docs TO PUBLIC;
GRANT USAGE ON SCHEMA errors_repeated TO regress_textclf_stranger;
SELECT version FROM textclf_train('docs', 'doc', 'label', 'm', '{"epochs": 1, "units": 2, "embedding_dim": 2}');
SELECT textclf_probability('m', 'left hand', 'left') AS probability \gset

CREATE TABLE mistakes (statement text, state text, role text DEFAULT current_user);
INSERT INTO mistakes VALUES
	($$SELECT textclf_predict('nobody', 'x')$$, '42704'),
	($$SELECT textclf_predict('m@7', 'x')$$, '42704'),
	($$SELECT textclf_predict('m@x', 'x')$$, '42602'),
	($$SELECT textclf_probability('m', 'x', 'unheard')$$, '22023'),
	($$SELECT textclf_predict_proba('m', 'x', 0)$$, '22023'),
	($$SELECT textclf_deploy('m', 7)$$, '42704'),
	($$SELECT textclf_drop('m@1')$$, '55006'),
	($$SELECT textclf_rename('m', 'm')$$, '42710'),
	($$SELECT textclf_rename('m', '@')$$, '42602'),
	($$SELECT textclf_import('m', '\x00')$$, '22P03'),
	($$SELECT textclf_import('m', substr(textclf_export('m'), 1, 2000))$$, '22P03'),
	($$SELECT textclf_import('m', set_byte(b, octet_length(b) - 100, 255 - get_byte(b, octet_length(b) - 100))) FROM textclf_export('m') b$$, '22P03'),
	($$SELECT textclf_train('docs', 'doc', 'label', 'm', '{"units": 0}')$$, '22023'),
	($$SELECT textclf_train('docs', 'doc', 'lable', 'm')$$, '42703'),
	($$SELECT textclf_train('one_class', 'doc', 'label', 'm', '{"units": 2}')$$, '22023'),
	($$SELECT textclf_train('long_label', 'doc', 'label', 'm', '{"units": 2}')$$, '54000'),
	($$SELECT textclf_train('fails', 'doc', 'label', 'm', '{"units": 2}')$$, '22012'),
	($$SELECT textclf_train('docs', 'doc', 'label', 'm', '{"num_words": 5000000, "embedding_dim": 4096, "min_rows": 1, "units": 4096, "layers": 8}')$$, '53200');
INSERT INTO mistakes VALUES
	($$SELECT textclf_predict('m', 'x')$$, '42501', 'regress_textclf_stranger'),
	($$SELECT textclf_tokens('m', 'x')$$, '42501', 'regress_textclf_stranger'),
	($$SELECT textclf_export('m')$$, '42501', 'regress_textclf_stranger'),
	($$SELECT textclf_drop('m')$$, '42501', 'regress_textclf_stranger');
-- in the midst of the work of functions that read rows
INSERT INTO mistakes VALUES
	($$SELECT count(*) FROM textclf_evaluate('m', 'fails', 'doc', 'label')$$, '22012'),
	($$SELECT count(*) FROM textclf_confusion_matrix('m', 'fails', 'doc', 'label')$$, '22012'),
	($$SELECT count(*) FROM textclf_cross_validate('fails', 'doc', 'label', 2, '{"units": 2}')$$, '22012'),
	($$SELECT count(*) FROM textclf_drift('m', 'fails', 'doc')$$, '22012'),
	($$SELECT count(*) FROM textclf_review_queue('m', 'docs', 'nothing')$$, '42703'),
	($$SELECT count(*) FROM textclf_explain('m', 'left hand', 'unheard')$$, '22023'),
	($$SELECT count(textclf_predict('m', doc)) FROM fails$$, '22012'),
	($$INSERT INTO classified (doc) VALUES ('left')$$, '42704'),
	($$SELECT textclf_cancel(-1)$$, '42704');
-- every function that takes a model: there is none, or it is not the caller's
INSERT INTO mistakes SELECT statement, '42704' FROM every_call('nobody') WHERE takes_model AND function !~ 'train|import|refresh';
INSERT INTO mistakes SELECT statement, '42501', 'regress_textclf_stranger' FROM every_call('m') WHERE takes_model AND function !~ 'refresh';
-- make each mistake so often; what does not end as it should is shown
CREATE PROCEDURE make_mistakes(often int) LANGUAGE plpgsql AS $$
DECLARE
	mistake mistakes;
BEGIN
	FOR mistake IN SELECT * FROM mistakes LOOP
		FOR i IN 1 .. often LOOP
			BEGIN
				PERFORM set_config('role', mistake.role, true);
				EXECUTE mistake.statement;
				RAISE INFO 'no error: %', mistake.statement;
			EXCEPTION WHEN OTHERS THEN
				IF sqlstate <> mistake.state THEN
					RAISE INFO '%: % %', mistake.statement, sqlstate, sqlerrm;
				END IF;
			END;
			-- each in a transaction of its own, as from a client
			COMMIT;
		END LOOP;
	END LOOP;
END $$;
CREATE FUNCTION used() RETURNS bigint LANGUAGE sql AS $$ SELECT sum(total_bytes)::bigint FROM pg_backend_memory_contexts $$;
-- pages of the process that are its own, where the system tells
CREATE FUNCTION resident() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	RETURN substring(pg_read_file('/proc/self/status') FROM 'RssAnon:\s*(\d+)')::bigint * 1024;
EXCEPTION WHEN OTHERS THEN
	RETURN 0;
END $$;

CALL make_mistakes(3);
SELECT used() AS used, resident() AS resident \gset
\set errors 10000
\getenv errors TEXTCLF_TEST_ERRORS
SELECT :errors / count(*) + 1 AS often FROM mistakes \gset
CALL make_mistakes(:often);
SELECT used() - :used < 1000000 AS memory_is_steady, resident() - :resident < 1000000 OR :errors < 10000 AS process_is_steady;
SELECT textclf_probability('m', 'left hand', 'left') = :'probability'::real AS next_call_is_right;
SELECT version, rows FROM textclf_train('docs', 'doc', 'label', 'm', '{"epochs": 1, "units": 2, "embedding_dim": 2}');

-- leave nothing
SET client_min_messages = warning;
SELECT count(textclf_drop(name)) FROM (SELECT DISTINCT name FROM textclf_models) m;
DROP SCHEMA errors_repeated CASCADE;
DROP ROLE regress_textclf_stranger;
