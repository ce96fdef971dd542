-- A statement uses the version that its snapshot sees.
CREATE SCHEMA mvcc_transactions;
SET search_path = mvcc_transactions, public;
SET textclf.progress = off;
CREATE TABLE docs AS
SELECT (ARRAY['hot day', 'cold night'])[i % 2 + 1] || ' ' || i % 7 AS doc, (ARRAY['hot', 'cold'])[i % 2 + 1] AS label
FROM generate_series(1, 120) i;
CREATE VIEW opposite AS SELECT doc, CASE label WHEN 'hot' THEN 'cold' ELSE 'hot' END AS label FROM docs;
CREATE FUNCTION train(source regclass) RETURNS int LANGUAGE sql
AS $$ SELECT version FROM textclf_train(source, 'doc', 'label', 'm', '{"epochs": 30, "units": 8, "embedding_dim": 8, "learning_rate": 0.02}') $$;

SELECT train('docs');
SELECT textclf_predict('m', 'hot day');

-- rolled back
BEGIN;
SELECT train('opposite');
SELECT textclf_predict('m', 'hot day');
ROLLBACK;
SELECT textclf_predict('m', 'hot day');
SELECT textclf_predict('m@2', 'hot day');
SELECT count(*) FROM textclf_models;

-- rolled back to a savepoint, twice
BEGIN;
SAVEPOINT a;
SELECT train('opposite');
SELECT textclf_predict('m', 'hot day');
ROLLBACK TO a;
SELECT textclf_predict('m', 'hot day');
SELECT textclf_drop('m');
SELECT textclf_predict('m', 'hot day');
ROLLBACK TO a;
SELECT textclf_predict('m', 'hot day');
SELECT textclf_rename('m', 'renamed');
SELECT textclf_predict('renamed', 'hot day');
ROLLBACK TO a;
SELECT textclf_predict('m', 'hot day');
COMMIT;

-- an exception block
DO $$
BEGIN
	BEGIN
		PERFORM train('opposite');
		RAISE INFO 'inside: %', textclf_predict('m', 'hot day');
		RAISE EXCEPTION 'undo';
	EXCEPTION WHEN raise_exception THEN
		RAISE INFO 'undone: %', textclf_predict('m', 'hot day');
	END;
	PERFORM train('opposite');
	RAISE INFO 'kept: %', textclf_predict('m', 'hot day');
	PERFORM textclf_deploy('m', 1);
	RAISE INFO 'deployed: %', textclf_predict('m', 'hot day');
END $$;
SELECT textclf_predict('m', 'hot day'), textclf_predict('m@2', 'hot day');

-- one statement, one version: what it does itself it does not see
SELECT textclf_predict('m', 'hot day') AS before, textclf_deploy('m', 2), textclf_predict('m', 'hot day') AS after;
SELECT textclf_predict('m', 'hot day') AS next_statement;
-- the same number with other bytes
BEGIN;
SELECT textclf_drop('m');
SELECT train('docs');
SELECT textclf_predict('m@1', 'hot day');
SELECT textclf_drop('m');
SELECT train('opposite');
SELECT textclf_predict('m@1', 'hot day');
ROLLBACK;
SELECT textclf_predict('m@1', 'hot day');

-- a cursor keeps its snapshot
BEGIN;
DECLARE c CURSOR FOR SELECT textclf_predict('m', 'hot day') FROM generate_series(1, 3);
FETCH 1 FROM c;
SELECT textclf_deploy('m', 1);
SELECT textclf_predict('m', 'hot day') AS new;
FETCH 1 FROM c;
SELECT textclf_predict('m', 'hot day') AS new;
FETCH 1 FROM c;
COMMIT;

-- prepared transactions
BEGIN;
SELECT textclf_deploy('m', 2);
PREPARE TRANSACTION 'deployment';
SELECT textclf_predict('m', 'hot day');
SET lock_timeout = '100ms';
\set VERBOSITY terse
SELECT textclf_deploy('m', 2);
\set VERBOSITY default
RESET lock_timeout;
COMMIT PREPARED 'deployment';
SELECT textclf_predict('m', 'hot day');

-- a function that is marked STABLE sees what its caller sees
CREATE FUNCTION asked() RETURNS text STABLE LANGUAGE plpgsql AS $$ BEGIN RETURN textclf_predict('m', 'hot day'); END $$;
CREATE FUNCTION asked_anew() RETURNS text VOLATILE LANGUAGE plpgsql AS $$ BEGIN RETURN textclf_predict('m', 'hot day'); END $$;
SELECT asked() AS before, textclf_deploy('m', 1), asked() AS stable, asked_anew() AS volatile;

-- where a procedure has just committed and nothing has taken a snapshot yet: this crashed
CREATE DOMAIN asked_domain AS text CHECK (value IS NULL OR textclf_predict('m', value) IS NOT NULL);
CREATE DOMAIN reported AS text CHECK (value IS NULL OR textclf_report('m') IS NOT NULL);
DO $$
DECLARE
	v asked_domain;
	r reported;
BEGIN
	FOR v IN SELECT 'hot day' FROM generate_series(1, 300) LOOP
		COMMIT;
	END LOOP;
	FOR r IN SELECT 'hot day' FROM generate_series(1, 30) LOOP
		ROLLBACK;
	END LOOP;
	RAISE INFO '%, %', v, r;
END $$;
DROP DOMAIN asked_domain, reported;

-- The extension is dropped and created again, here and elsewhere.
DROP FUNCTION train, asked, asked_anew;
DROP EXTENSION textclf;
\set VERBOSITY terse
SELECT textclf_predict('m', 'hot day');
\set VERBOSITY default
CREATE SCHEMA "Else where";
CREATE EXTENSION textclf SCHEMA "Else where";
SELECT "Else where".textclf_predict('m', 'hot day');
SELECT version FROM "Else where".textclf_train('opposite', 'doc', 'label', 'm', '{"epochs": 30, "units": 8, "embedding_dim": 8, "learning_rate": 0.02}');
SELECT "Else where".textclf_predict('m', 'hot day');
ALTER SCHEMA "Else where" RENAME TO somewhere;
SELECT somewhere.textclf_predict('m', 'hot day');
SELECT somewhere.textclf_deploy('m', 1);
SELECT somewhere.textclf_predict('m', 'hot day');
DROP EXTENSION textclf;
CREATE EXTENSION textclf SCHEMA public;
SELECT textclf_predict('m', 'hot day');

-- leave nothing
SET client_min_messages = warning;
SELECT count(textclf_drop(name)) FROM (SELECT DISTINCT name FROM textclf_models) m;
DROP SCHEMA mvcc_transactions CASCADE;
