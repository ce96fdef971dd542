-- Option warm_start: a training begins with the network of a model.
CREATE SCHEMA warm_start;
SET search_path = warm_start, public;
SET textclf.progress = off;
CREATE ROLE regress_textclf_owner LOGIN;
CREATE ROLE regress_textclf_other;
GRANT ALL ON SCHEMA warm_start TO PUBLIC;
CREATE TABLE docs AS
SELECT (ARRAY['left hand', 'right foot', 'left toe'])[i % 3 + 1] || ' w' || i % 7 AS doc, (ARRAY['hand', 'foot', 'toe'])[i % 3 + 1] AS label
FROM generate_series(1, 300) i;
GRANT SELECT ON docs TO PUBLIC;
SELECT version FROM textclf_train('docs', 'doc', 'label', 'news', '{"units": 6, "embedding_dim": 7, "pooling": "mean", "epochs": 8, "seed": 3, "refit": false, "char_ngrams": false}');

-- the network has its form, and is where the model was
CREATE FUNCTION losses(model text, OUT first_loss float8) LANGUAGE sql AS $$ SELECT val_loss FROM textclf_history(model) WHERE epoch = 1 $$;
SELECT version FROM textclf_train('docs', 'doc', 'label', 'warm', '{"warm_start": "news", "epochs": 1}');
SELECT version FROM textclf_train('docs', 'doc', 'label', 'cold', '{"units": 6, "embedding_dim": 7, "pooling": "mean", "epochs": 1}');
SELECT options->>'units' AS units, options->>'embedding_dim' AS embedding_dim, options->>'pooling' AS pooling FROM textclf_models WHERE name = 'warm';
SELECT warm_start, embeddings FROM textclf_models WHERE name = 'warm';
-- it travels with the model
SELECT textclf_import('copy', textclf_export('warm'));
SELECT warm_start, embeddings FROM textclf_models WHERE name = 'copy';
SELECT losses('warm') < 0.7 * losses('cold') AS warm_is_ahead;
-- a certain version; into the same model
SELECT version FROM textclf_train('docs', 'doc', 'label', 'news', '{"warm_start": "news@1", "epochs": 1, "architecture": "bilstm"}');
SELECT options->>'architecture' AS architecture, losses('news@2') < 0.7 * losses('cold') AS warm_is_ahead FROM textclf_models WHERE name = 'news' AND version = 2;

-- other rows: a label and words more, a label and words less
CREATE TABLE more AS SELECT * FROM docs WHERE label <> 'toe' UNION ALL
SELECT 'the quick ear w' || i % 7, 'ear' FROM generate_series(1, 100) i;
SELECT version FROM textclf_train('more', 'doc', 'label', 'more', '{"warm_start": "news", "epochs": 12, "architecture": "bilstm"}');
SELECT textclf_predict('more', ARRAY['left hand', 'right foot', 'quick ear']);
SELECT losses('more') < losses('cold') AS warm_is_ahead;

-- what does not fit
\set VERBOSITY terse
SELECT textclf_train('docs', 'doc', 'label', 'm', '{"warm_start": "news", "units": 7}');
SELECT textclf_train('docs', 'doc', 'label', 'm', '{"warm_start": "news", "architecture": "lstm"}');
SELECT textclf_train('docs', 'doc', 'label', 'm', '{"warm_start": "news", "tokenizer": "keras"}');
SELECT textclf_train('docs', 'doc', 'label', 'm', '{"warm_start": "news", "architecture": "linear"}');
SELECT textclf_train('docs', 'doc', 'label', 'm', '{"warm_start": "nothing"}');
SELECT textclf_train('docs', 'doc', 'label', 'm', '{"warm_start": "news@9"}');
SELECT textclf_train('docs', 'doc', 'label', 'm', '{"warm_start": true}');
SELECT textclf_cross_validate('docs', 'doc', 'label', 2, '{"warm_start": "news"}');
SELECT version FROM textclf_train('docs', 'doc', 'label', 'line', '{"architecture": "linear"}');
SELECT textclf_train('docs', 'doc', 'label', 'm', '{"warm_start": "line"}');
SELECT version FROM textclf_train('docs', 'doc', 'label', 'cold', '{"warm_start": null, "epochs": 1, "units": 2}');
-- vectors of the form that the model has, and of another
CREATE TABLE vectors (word text, vector real[]);
INSERT INTO vectors VALUES ('ear', '{1,2,3,4,5,6,7}');
SELECT version FROM textclf_train('more', 'doc', 'label', 'more', '{"warm_start": "news", "embeddings": "vectors", "epochs": 1}');
UPDATE vectors SET vector = '{1,2}';
SELECT textclf_train('more', 'doc', 'label', 'more', '{"warm_start": "news", "embeddings": "vectors", "epochs": 1}');

-- it takes the right to use the model
SET ROLE regress_textclf_other;
SELECT textclf_train('docs', 'doc', 'label', 'other', '{"warm_start": "news", "epochs": 1}');
RESET ROLE;
SELECT textclf_grant('news', 'regress_textclf_other');
SET ROLE regress_textclf_other;
SELECT version FROM textclf_train('docs', 'doc', 'label', 'other', '{"warm_start": "news", "epochs": 1}');
SELECT textclf_drop('other');
RESET ROLE;

SELECT textclf_drop(name) FROM textclf_models WHERE name IN ('news', 'warm', 'copy', 'cold', 'more', 'line') AND deployed;
SET client_min_messages = warning;
DROP SCHEMA warm_start CASCADE;
DROP ROLE regress_textclf_owner, regress_textclf_other;
