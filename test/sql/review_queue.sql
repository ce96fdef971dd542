-- The rows that a person should look at first.
CREATE SCHEMA review_queue;
SET search_path = review_queue, public;
SET textclf.progress = off;
SET client_min_messages = warning;
CREATE TABLE docs AS
SELECT i, (ARRAY['hot day', 'cold night', 'warm wind'])[i % 3 + 1] || ' ' || i % 5 AS doc, (ARRAY['hot', 'cold', 'warm'])[i % 3 + 1] AS label
FROM generate_series(1, 300) i;
SELECT version FROM textclf_train('docs', 'doc', 'label', 'm', '{"epochs": 3, "units": 8, "embedding_dim": 8}');
RESET client_min_messages;

-- texts between the classes, every one of another certainty, and a NULL
CREATE TABLE inbox AS
SELECT i AS id, concat_ws(' ', CASE WHEN i % 2 = 0 THEN 'hot' END, CASE WHEN i % 3 = 0 THEN 'night' END, CASE WHEN i % 5 = 0 THEN 'warm' END, 'day ' || i % 7, i) AS body
FROM generate_series(1, 200) i
UNION ALL SELECT 0, NULL;
CREATE FUNCTION margin(body text) RETURNS real LANGUAGE sql AS $$
	SELECT max(probability) - (array_agg(probability ORDER BY probability DESC))[2] FROM textclf_predict_proba('m', body)
$$;
-- it is what sorting all rows gives, and finds the rows again
SELECT count(*) FILTER (WHERE q.margin = e.margin AND q.label = textclf_predict('m', doc) AND q.probability = textclf_probability('m', doc, q.label)
		AND q.margin = margin(doc) AND (SELECT body FROM inbox i WHERE i.ctid = q.row_id) = q.doc) AS right_rows,
	bool_and(q.margin >= 0) AS positive
FROM ROWS FROM (textclf_review_queue('m', 'inbox', 'body', 30)) WITH ORDINALITY q (row_id, doc, label, probability, margin, n)
	FULL JOIN (SELECT margin(body) AS margin, row_number() OVER (ORDER BY margin(body), id) AS n FROM inbox WHERE body IS NOT NULL ORDER BY 1 LIMIT 30) e USING (n);
SELECT count(*) FROM textclf_review_queue('m', 'inbox', 'body');
SELECT count(*), count(DISTINCT row_id) AS rows FROM textclf_review_queue('m', 'inbox', 'body', 2147483647);
SELECT bool_and(b.margin >= a.margin) AS ascending
FROM ROWS FROM (textclf_review_queue('m', 'inbox', 'body', 1000)) WITH ORDINALITY a (row_id, doc, label, probability, margin, n)
	JOIN ROWS FROM (textclf_review_queue('m', 'inbox', 'body', 1000)) WITH ORDINALITY b (row_id, doc, label, probability, margin, n) ON b.n = a.n + 1;
-- of equals the first
CREATE TABLE same AS SELECT 'hot day'::text AS body FROM generate_series(1, 100);
SELECT row_id, doc, label FROM textclf_review_queue('m', 'same', 'body', 3);

-- all kinds of relations; a place only where rows have one
CREATE TABLE parts (id int, body varchar) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (100) TO (1000);
INSERT INTO parts SELECT * FROM inbox;
CREATE VIEW inbox_view AS SELECT body FROM inbox;
CREATE MATERIALIZED VIEW inbox_copy AS SELECT body FROM inbox;
-- a view that uses models itself, while the queue is at work
SET client_min_messages = warning;
SELECT version FROM textclf_train('docs', 'doc', 'label', 'other', '{"architecture": "linear"}');
RESET client_min_messages;
CREATE VIEW judged AS SELECT body || left(textclf_predict('other', body), 0) AS body FROM inbox WHERE body IS NOT NULL;
SET textclf.cache_size = '64kB';
SELECT r AS source, count(*), count(row_id) AS places, array_agg(doc) = (SELECT array_agg(doc) FROM textclf_review_queue('m', 'inbox', 'body', 10)) AS same
FROM unnest(ARRAY['parts', 'inbox_view', 'inbox_copy', 'judged']::regclass[]) WITH ORDINALITY u (r, n), textclf_review_queue('m', r, 'body', 10) GROUP BY r, n ORDER BY n;
RESET textclf.cache_size;
SELECT count(*) FROM textclf_review_queue('m', 'inbox', 'body') WHERE doc IS NULL;
CREATE TABLE nothing (body text);
SELECT * FROM textclf_review_queue('m', 'nothing', 'body');

-- memory is for k rows, not for all
CREATE TABLE many AS SELECT repeat('cold day ', 200) || i AS body FROM generate_series(1, 20000) i;
CREATE FUNCTION used() RETURNS bigint LANGUAGE sql AS $$ SELECT sum(total_bytes)::bigint FROM pg_backend_memory_contexts $$;
CREATE TABLE memory (bytes bigint);
CREATE FUNCTION watched(body text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO memory SELECT used(); RETURN body; END $$;
CREATE VIEW watching AS SELECT CASE WHEN right(body, 3) = '000' THEN watched(body) ELSE body END AS body FROM many;
SELECT count(*) FROM textclf_review_queue('m', 'watching', 'body', 5);
SELECT count(*), max(bytes) - min(bytes) < 3000000 AS constant FROM memory;

-- mistakes
SELECT * FROM textclf_review_queue('m', 'inbox', 'body', 0);
SELECT * FROM textclf_review_queue('m', 'inbox', 'body', NULL);
SELECT * FROM textclf_review_queue(NULL, 'inbox', 'body');
SELECT * FROM textclf_review_queue('m', NULL, 'body');
SELECT * FROM textclf_review_queue('m', 'inbox', NULL);
SELECT * FROM textclf_review_queue('m', 'inbox', 'no_such_column');
SELECT * FROM textclf_review_queue('m', 'inbox', 'id');
SELECT * FROM textclf_review_queue('none', 'inbox', 'body');

-- the caller's rights: on the model, on the rows, and on their places
CREATE ROLE regress_textclf_reviewer;
GRANT USAGE ON SCHEMA review_queue TO regress_textclf_reviewer;
SET ROLE regress_textclf_reviewer;
SELECT * FROM textclf_review_queue('m', 'inbox', 'body');
RESET ROLE;
SELECT textclf_grant('m', 'regress_textclf_reviewer');
SET ROLE regress_textclf_reviewer;
SELECT * FROM textclf_review_queue('m', 'inbox', 'body');
RESET ROLE;
GRANT SELECT (body) ON inbox TO regress_textclf_reviewer;
SET ROLE regress_textclf_reviewer;
SELECT count(*), count(row_id) AS places FROM textclf_review_queue('m', 'inbox', 'body');
RESET ROLE;
GRANT SELECT ON inbox TO regress_textclf_reviewer;
ALTER TABLE inbox ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON inbox TO regress_textclf_reviewer USING (id < 5);
SET ROLE regress_textclf_reviewer;
SELECT count(*), count(row_id) AS places FROM textclf_review_queue('m', 'inbox', 'body');
RESET ROLE;

-- leave nothing
SET client_min_messages = warning;
SELECT count(textclf_drop(name)) FROM (SELECT DISTINCT name FROM textclf_models) m;
DROP SCHEMA review_queue CASCADE;
DROP ROLE regress_textclf_reviewer;
