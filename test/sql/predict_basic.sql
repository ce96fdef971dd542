-- Predictions: one text, many texts, probabilities.
CREATE SCHEMA predict_basic;
SET search_path = predict_basic, public;
SET textclf.progress = off;
CREATE TABLE mails AS
SELECT (ARRAY['win a free prize', 'see you at lunch', 'the invoice is attached'])[i % 3 + 1] || ' ' || i % 11 AS body,
	(ARRAY['spam', 'friend', 'work'])[i % 3 + 1] AS kind
FROM generate_series(1, 150) i;
SELECT version FROM textclf_train('mails', 'body', 'kind', options => '{"epochs": 30, "units": 8, "embedding_dim": 8, "learning_rate": 0.02}');

-- in a query
SELECT kind, count(*), bool_and(textclf_predict('mails', body) = kind) AS right FROM mails GROUP BY kind ORDER BY kind;

-- NULL in, NULL out
SELECT textclf_predict(NULL, 'x') IS NULL AS model, textclf_predict('mails', NULL::text) IS NULL AS doc,
	textclf_predict('mails', NULL::text[]) IS NULL AS docs, textclf_probability('mails', 'x', NULL) IS NULL AS label;

-- arrays keep their shape, and NULL elements
SELECT textclf_predict('mails', ARRAY['win a free prize', NULL, 'see you at lunch']);
SELECT textclf_predict('mails', ARRAY[['win a free prize', 'see you at lunch'], [NULL, 'the invoice is attached']]);
SELECT textclf_predict('mails', '[0:1]={win a free prize,see you at lunch}'::text[]);
SELECT textclf_predict('mails', '{}'::text[]), textclf_predict('mails', '{NULL}'::text[]);
SELECT textclf_predict('mails', array_agg(body ORDER BY body, kind)) = array_agg(textclf_predict('mails', body) ORDER BY body, kind) AS same FROM mails;
-- elements that were compressed or stored elsewhere
SELECT textclf_predict('mails', ARRAY[repeat('win a free prize ', 5000), 'see you at lunch']);

-- probabilities
SELECT label, probability BETWEEN 0 AND 1 AS possible FROM textclf_predict_proba('mails', 'win a free prize') ORDER BY label;
SELECT round(sum(probability)::numeric, 4) AS sum, count(*), max(probability) = (array_agg(probability))[1] AS best_first
FROM textclf_predict_proba('mails', 'win a free prize');
SELECT label FROM textclf_predict_proba('mails', 'win a free prize', 1);
SELECT count(*) FROM textclf_predict_proba('mails', 'win a free prize', 100);
SELECT count(*) FROM textclf_predict_proba('mails', 'win a free prize', NULL);
SELECT count(*) FROM textclf_predict_proba('mails', NULL);
SELECT count(*) FROM textclf_predict_proba(NULL, 'win a free prize');
SELECT * FROM textclf_predict_proba('mails', 'win a free prize', 0);
SELECT bool_and(p.probability = textclf_probability('mails', body, p.label)) AS same
FROM mails, textclf_predict_proba('mails', body) p;
SELECT bool_and((SELECT label FROM textclf_predict_proba('mails', body, 1)) = textclf_predict('mails', body)) AS same FROM mails;
SELECT textclf_probability('mails', 'win a free prize', 'Spam');

-- models and versions
SELECT textclf_predict('mails@1', 'win a free prize'), textclf_probability('mails@1', 'win a free prize', 'spam') = textclf_probability('mails', 'win a free prize', 'spam');
SELECT textclf_predict('mails@2', 'win a free prize');
SELECT textclf_predict('letters', 'win a free prize');
SELECT textclf_predict('', 'win a free prize');
SELECT textclf_predict('mails@', 'win a free prize');
SELECT textclf_predict('mails@x', 'win a free prize');
SELECT textclf_predict('mails@0', 'win a free prize');
SELECT textclf_predict('mails@-1', 'win a free prize');
SELECT textclf_predict('mails@01', 'win a free prize');
SELECT textclf_predict('mails@99999999999999999999', 'win a free prize');
SELECT textclf_predict('@1', 'win a free prize');

-- what the model reads
SELECT * FROM textclf_tokens('mails', 'Win a ZZZ!');
SELECT count(*) FROM textclf_tokens('mails', '');

-- in parallel workers
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 1;
EXPLAIN (COSTS OFF) SELECT count(*) FROM mails WHERE textclf_predict('mails', body) = 'spam';
SELECT count(*) FROM mails WHERE textclf_predict('mails', body) = 'spam';
RESET ALL;
SET search_path = predict_basic, public;

-- the session's cache
SET textclf.progress = off;
SET max_parallel_workers_per_gather = 0;	-- a worker has a cache of its own
SET textclf.cache_size = 0;
SELECT version FROM textclf_train('mails', 'body', 'kind', options => '{"epochs": 1, "units": 4}');
SELECT textclf_predict('mails', 'x') IS NOT NULL, textclf_predict('mails@1', 'x') IS NOT NULL;
SELECT model, version, bytes > 1000 AS bytes, loaded <= clock_timestamp() AS loaded FROM textclf_cache;
RESET textclf.cache_size;
SELECT textclf_predict('mails', 'x') IS NOT NULL, textclf_predict('mails@1', 'x') IS NOT NULL;
SELECT model, version, hits FROM textclf_cache;

-- leave nothing
SET client_min_messages = warning;
SELECT count(textclf_drop(name)) FROM (SELECT DISTINCT name FROM textclf_models) m;
DROP SCHEMA predict_basic CASCADE;
