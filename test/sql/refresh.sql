-- Rows that another version has labelled are classified anew, in committed chunks.
CREATE SCHEMA refresh;
SET search_path = refresh, public;
SET textclf.progress = off;
SET client_min_messages = warning;
CREATE TABLE docs AS
SELECT (ARRAY['hot day', 'cold night'])[i % 2 + 1] || ' ' || i % 5 AS doc, (ARRAY['hot', 'cold'])[i % 2 + 1] AS label FROM generate_series(1, 120) i;
CREATE VIEW opposite AS SELECT doc, CASE label WHEN 'hot' THEN 'cold' ELSE 'hot' END AS label FROM docs;
SELECT version FROM textclf_train('docs', 'doc', 'label', 'm', '{"architecture": "linear"}');
SELECT version FROM textclf_train('opposite', 'doc', 'label', 'm', '{"architecture": "linear", "deploy": "never"}');
RESET client_min_messages;

-- progress; rows of one length, as many on a page in every version of the server
CREATE TABLE uniform (body text, queue text, version int);
INSERT INTO uniform SELECT rpad(CASE i % 2 WHEN 0 THEN 'hot' ELSE 'cold' END, 300) FROM generate_series(1, 1000) i;
SET textclf.progress = on;
CALL textclf_refresh('uniform', 'body', 'queue', 'version', 'm', 1000);
SET textclf.progress = off;

-- many pages, NULLs, long texts
CREATE TABLE inbox (id int, body text, queue text, version int);
INSERT INTO inbox SELECT i, CASE WHEN i % 50 > 0 THEN CASE i % 2 WHEN 0 THEN 'hot ' ELSE 'cold ' END || repeat(' ', i % 300) || CASE i WHEN 7 THEN repeat('long ', 20000) ELSE '' END END
FROM generate_series(1, 3000) i;
CREATE VIEW state AS SELECT version, queue, count(*), bool_and((body IS NULL) = (queue IS NULL)) AS nulls,
	bool_and((queue = CASE WHEN body LIKE 'hot%' THEN 'hot' ELSE 'cold' END) = (version = 1)) AS right_label FROM inbox GROUP BY 1, 2 ORDER BY 1, 2;
CALL textclf_refresh('inbox', 'body', 'queue', 'version', 'm', 1000);
TABLE state;
-- nothing is left to do, and nothing is done
CREATE TEMP TABLE before AS SELECT ctid AS place, xmin::text::bigint AS writer, id FROM inbox;
CALL textclf_refresh('inbox', 'body', 'queue', 'version', 'm', 1000);
SELECT count(*) AS touched FROM before b LEFT JOIN inbox i ON i.ctid = b.place AND i.xmin::text::bigint = b.writer AND i.id = b.id WHERE i.id IS NULL;
-- each chunk is a transaction
SELECT count(DISTINCT writer) > 2 AS chunks, bool_or(n > 1000) AS too_large FROM (SELECT writer, count(*) AS n FROM before b JOIN inbox i USING (id) WHERE i.body IS NOT NULL GROUP BY writer) t;

-- another version is deployed; some rows have it already, some have lost their text
SELECT textclf_deploy('m', 2);
UPDATE inbox SET version = 2, queue = 'kept' WHERE id <= 10 AND body IS NOT NULL;
UPDATE inbox SET body = NULL WHERE id = 11;
UPDATE inbox SET version = NULL WHERE id = 12;
CALL textclf_refresh('inbox', 'body', 'queue', 'version', 'm');
SELECT queue, version, count(*) FROM inbox WHERE id <= 12 GROUP BY 1, 2 ORDER BY 1;
SELECT version, queue, count(*) FROM inbox GROUP BY 1, 2 ORDER BY 1, 2;
-- a certain version; back again
CALL textclf_refresh('inbox', 'body', 'queue', 'version', 'm@1', 1);
TABLE state;

-- interrupted by an error it goes on where it was
SELECT textclf_deploy('m', 2);
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'row %', NEW.id; END $$;
CREATE TRIGGER fail BEFORE UPDATE ON inbox FOR EACH ROW WHEN (NEW.id = 2001) EXECUTE FUNCTION fail();
\set VERBOSITY terse
CALL textclf_refresh('inbox', 'body', 'queue', 'version', 'm@2', 500);
CALL textclf_refresh('inbox', 'body', 'queue', 'version', 'm@2', 500);
\set VERBOSITY default
SELECT count(*) FILTER (WHERE version = 2) BETWEEN 500 AND 2500 AS half_done FROM inbox;
DROP TRIGGER fail ON inbox;
CALL textclf_refresh('inbox', 'body', 'queue', 'version', 'm');
SELECT version, count(*) FROM inbox GROUP BY 1 ORDER BY 1;

-- triggers: one that classifies, one that suppresses, one that takes the version away each time, which ends
CREATE TRIGGER classify BEFORE INSERT OR UPDATE ON inbox FOR EACH ROW EXECUTE FUNCTION textclf_classify('m', 'body', 'queue', '', 'version');
SELECT textclf_deploy('m', 1);
CALL textclf_refresh('inbox', 'body', 'queue', 'version', 'm');
TABLE state;
DROP TRIGGER classify ON inbox;
CREATE FUNCTION suppress() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER suppress BEFORE UPDATE ON inbox FOR EACH ROW EXECUTE FUNCTION suppress();
CALL textclf_refresh('inbox', 'body', 'queue', 'version', 'm@2');
DROP TRIGGER suppress ON inbox;
CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.version := NULL; RETURN NEW; END $$;
CREATE TRIGGER forget BEFORE UPDATE ON inbox FOR EACH ROW EXECUTE FUNCTION forget();
CALL textclf_refresh('inbox', 'body', 'queue', 'version', 'm@2');
DROP TRIGGER forget ON inbox;

-- partitions, by the label itself; other types of columns; names that need quotes
CREATE TYPE "Queue" AS ENUM ('hot', 'cold', 'new');
CREATE TABLE "Parts" (id int, "Body" varchar(40), "Queue" "Queue", "Version" bigint) PARTITION BY LIST ("Queue");
CREATE TABLE parts_new PARTITION OF "Parts" DEFAULT;
CREATE TABLE parts_hot PARTITION OF "Parts" FOR VALUES IN ('hot');
CREATE TABLE parts_cold PARTITION OF "Parts" FOR VALUES IN ('cold');
INSERT INTO "Parts" SELECT i, (ARRAY['hot', 'cold'])[i % 2 + 1], 'new' FROM generate_series(1, 1000) i;
CALL textclf_refresh('"Parts"', 'Body', 'Queue', 'Version', 'm');
SELECT tableoid::regclass, "Queue", "Version", count(*) FROM "Parts" GROUP BY 1, 2, 3 ORDER BY 2;

-- labels of a fixed length are whole, with a domain and without
CREATE DOMAIN code AS char(6);
CREATE TABLE fixed (body text, queue char(6), version int);
INSERT INTO fixed VALUES ('cold');
CALL textclf_refresh('fixed', 'body', 'queue', 'version', 'm@1');
SELECT queue FROM fixed;
ALTER TABLE fixed ALTER queue TYPE code;
CALL textclf_refresh('fixed', 'body', 'queue', 'version', 'm@2');
SELECT queue FROM fixed;

-- few rows are in memory at a time, however many a chunk may have
CREATE TABLE large (id int, body text, queue text, version int);
ALTER TABLE large ALTER body SET STORAGE PLAIN;
INSERT INTO large SELECT i, rpad('hot', 2000) FROM generate_series(1, 8000) i;
CREATE TABLE memory AS SELECT textclf_predict('m', ''), sum(total_bytes) AS bytes FROM pg_backend_memory_contexts;
CREATE FUNCTION measure() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO refresh.memory SELECT NULL, sum(total_bytes) FROM pg_backend_memory_contexts;
	RETURN NEW;
END $$;
CREATE TRIGGER measure BEFORE UPDATE ON large FOR EACH ROW WHEN (NEW.id % 1000 = 0) EXECUTE FUNCTION measure();
CALL textclf_refresh('large', 'body', 'queue', 'version', 'm', 2147483647);
SELECT count(*) AS measured, max(bytes) - min(bytes) < 6 * 1024 ^ 2 AS few FROM memory;
SELECT count(*) FROM large WHERE version IS NULL;

-- not within a transaction
BEGIN;
CALL textclf_refresh('inbox', 'body', 'queue', 'version', 'm');
ROLLBACK;
BEGIN;
SAVEPOINT s;
CALL textclf_refresh('inbox', 'body', 'queue', 'version', 'm');
ROLLBACK TO s;
SAVEPOINT s;
CALL textclf_refresh('inbox', 'body', 'queue', 'version', 'm');
ROLLBACK TO s;
SAVEPOINT s;
CALL textclf_refresh('inbox', 'body', 'queue', 'version', 'm');
ROLLBACK TO s;
COMMIT;
CREATE FUNCTION within() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CALL textclf_refresh('refresh.inbox', 'body', 'queue', 'version', 'm'); END $$;
SELECT within();
-- a procedure may call it, with transactions of its own; with a search_path of its own it cannot commit
CREATE PROCEDURE outer_procedure() LANGUAGE plpgsql AS $$ BEGIN CALL textclf_refresh('refresh.inbox', 'body', 'queue', 'version', 'm@2'); COMMIT; END $$;
CALL outer_procedure();
TABLE state;
CREATE PROCEDURE pinned() LANGUAGE plpgsql SET search_path = refresh, public AS $$ BEGIN CALL textclf_refresh('refresh.inbox', 'body', 'queue', 'version', 'm'); END $$;
CALL pinned();

-- mistakes
CALL textclf_refresh('inbox', 'body', 'queue', 'version', 'm', 0);
CALL textclf_refresh('inbox', 'body', 'queue', 'version', NULL);
CALL textclf_refresh(NULL, 'body', 'queue', 'version', 'm');
CALL textclf_refresh('inbox', 'body', 'queue', 'version', 'none');
CALL textclf_refresh('inbox', 'bodi', 'queue', 'version', 'm');
CALL textclf_refresh('inbox', 'id', 'queue', 'version', 'm');
CALL textclf_refresh('inbox', 'body', 'no_such_column', 'version', 'm');
CALL textclf_refresh('inbox', 'body', 'queue', 'queue', 'm');
CALL textclf_refresh('inbox', 'body', 'body', 'version', 'm');
CALL textclf_refresh('inbox', 'body', 'version', 'version', 'm');
CALL textclf_refresh('state', 'queue', 'queue', 'version', 'm');

-- privileges are the caller's: on the model, to read, to update, row by row
CREATE ROLE regress_textclf_refresher;
GRANT USAGE ON SCHEMA refresh TO regress_textclf_refresher;
SET ROLE regress_textclf_refresher;
CALL textclf_refresh('inbox', 'body', 'queue', 'version', 'm');
RESET ROLE;
SELECT textclf_grant('m', 'regress_textclf_refresher');
SET ROLE regress_textclf_refresher;
CALL textclf_refresh('inbox', 'body', 'queue', 'version', 'm');
RESET ROLE;
GRANT SELECT ON inbox TO regress_textclf_refresher;
SET ROLE regress_textclf_refresher;
CALL textclf_refresh('inbox', 'body', 'queue', 'version', 'm');
RESET ROLE;
GRANT UPDATE (queue, version) ON inbox TO regress_textclf_refresher;
ALTER TABLE inbox ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON inbox TO regress_textclf_refresher USING (id <= 100);
SET ROLE regress_textclf_refresher;
CALL textclf_refresh('inbox', 'body', 'queue', 'version', 'm@1');
RESET ROLE;
SELECT version, count(*), min(id), max(id) <= 100 AS few FROM inbox WHERE body IS NOT NULL GROUP BY 1 ORDER BY 1;

-- leave nothing
SET client_min_messages = warning;
SELECT count(textclf_drop(name)) FROM (SELECT DISTINCT name FROM textclf_models) m;
DROP SCHEMA refresh CASCADE;
DROP ROLE regress_textclf_refresher;
