-- What the planner knows of predictions: cheap filters come first, large tables
-- are scanned in parallel, and what a call costs depends on model and text.
CREATE SCHEMA planner;
SET search_path = planner, public;
SET textclf.progress = off;
CREATE TABLE docs AS
SELECT i AS id, (ARRAY['the ship left the harbour', 'the train left the station'])[i % 2 + 1] || ' at ' || i % 13 AS doc,
	(ARRAY['water', 'rail'])[i % 2 + 1] AS label, (ARRAY['it arrived', repeat('it arrived ', 100)])[i % 2 + 1] AS note
FROM generate_series(1, 3000) i;
ANALYZE docs;
CREATE VIEW lessons AS SELECT doc, label FROM docs WHERE id <= 100;
SELECT version FROM textclf_train('lessons', 'doc', 'label', 'small', '{"architecture": "bilstm", "epochs": 1, "units": 4, "embedding_dim": 4}');
SELECT version FROM textclf_train('lessons', 'doc', 'label', 'large', '{"architecture": "bilstm", "epochs": 1, "units": 128, "layers": 2}');
CREATE FUNCTION cost(query text, OUT cost float8) LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
	cost := plan -> 0 -> 'Plan' -> 'Total Cost';
END $$;
CREATE FUNCTION rows(query text, OUT rows int) LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
	rows := plan -> 0 -> 'Plan' -> 'Plan Rows';
END $$;

-- filters that cost next to nothing first, whatever the order they are written in
SET max_parallel_workers_per_gather = 0;
EXPLAIN (COSTS OFF) SELECT id FROM docs
WHERE textclf_predict('small', doc) = 'rail' AND doc ~ 'ship' AND id % 10 = 3;
EXPLAIN (COSTS OFF) SELECT id FROM docs
WHERE textclf_probability('small', doc, 'rail') > 0.5 AND textclf_predict('small', ARRAY[doc, note]) = '{rail,rail}' AND note < 'x';
-- and for few rows no model is even loaded
SELECT count(*) FROM docs WHERE textclf_predict('no such model', doc) = 'rail' AND id < 0;

-- two workers, under settings by which a cheap function would not have one
SET max_parallel_workers_per_gather = 2;
SET min_parallel_table_scan_size = '64kB';
EXPLAIN (COSTS OFF) SELECT count(*) FROM docs WHERE length(doc) = 7;
EXPLAIN (COSTS OFF) SELECT count(*) FROM docs WHERE textclf_predict('large', doc) = 'rail';
EXPLAIN (COSTS OFF) SELECT count(textclf_predict('large', doc)) FROM docs;

-- models that are in memory cost what their size says, of a version as well
SET max_parallel_workers_per_gather = 0;
SELECT cost('SELECT textclf_predict(''small'', doc) FROM docs') = cost('SELECT textclf_predict(''large'', doc) FROM docs') AS "both unknown";
SELECT textclf_predict('small', 'x') IS NOT NULL AND textclf_predict('large', 'x') IS NOT NULL AS "in memory";
SELECT 3 * cost(replace(query, 'large', 'small')) < cost(query) AS small_is_cheap,
	cost(query) = cost(replace(query, '''large''', '''large@1''')) AS same_of_version,
	cost(replace(query, '''large''', '''large@2''')) = cost(replace(query, '''large''', '''unknown''')) AS other_version
FROM (VALUES ('SELECT textclf_predict(''large'', doc) FROM docs'), ('SELECT textclf_predict(''large'', ARRAY[doc, note]) FROM docs'),
	('SELECT textclf_probability(''large'', doc, ''rail'') FROM docs'), ('SELECT textclf_predict_proba(''large'', doc) FROM docs')) q (query);
-- long texts cost more, and arrays by their length
SELECT 5 * cost('SELECT textclf_predict(''large'', label) FROM docs') < cost('SELECT textclf_predict(''large'', note) FROM docs') AS long,
	cost('SELECT textclf_predict(''large'', ARRAY[doc]) FROM docs') < cost('SELECT textclf_predict(''large'', ARRAY[doc, note, label]) FROM docs') AS many,
	cost('SELECT textclf_predict(''large'', ''a constant'') FROM docs') < cost(format('SELECT textclf_predict(''large'', %L) FROM docs', repeat('a constant ', 100))) AS constant;
-- as many rows as there are labels, or were asked for
SELECT rows('SELECT * FROM textclf_predict_proba(''large'', ''x'')') AS labels, rows('SELECT * FROM textclf_predict_proba(''large'', ''x'', 1)') AS one,
	rows('SELECT * FROM textclf_predict_proba(''large'', ''x'', 100)') AS more, rows('SELECT * FROM textclf_predict_proba(''unknown'', ''x'', 3)') AS unknown,
	rows('SELECT * FROM textclf_predict_proba(''unknown'', ''x'')') AS open, rows('SELECT * FROM textclf_predict_proba(''large'', ''x'', -1)') AS wrong;
-- what is not known when the plan is made is no error
PREPARE generic (text, text) AS
SELECT textclf_predict($1, $2) = ANY (textclf_predict($1, ARRAY[$2, 'x'])) AS same, textclf_predict(NULL, $2) IS NULL AS unknown;
SET plan_cache_mode = force_generic_plan;
EXECUTE generic ('large', 'the ship left the harbour');
SELECT count(*) FROM (SELECT textclf_predict(name, doc) FROM (SELECT 'small' || '' AS name, doc FROM docs WHERE id < 10) d) p;
SELECT count(p) FROM docs d, LATERAL (SELECT textclf_predict('large', d.doc) AS p OFFSET 0) l WHERE id < 10;
RESET plan_cache_mode;

-- leave nothing
SET client_min_messages = warning;
SELECT count(textclf_drop(name)) FROM (SELECT DISTINCT name FROM textclf_models) m;
DROP SCHEMA planner CASCADE;
