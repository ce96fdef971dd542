-- Cross-validation: every row is judged once, by a model that has not seen it.
CREATE SCHEMA cross_validate;
SET search_path = cross_validate, public;
SET textclf.progress = off;
CREATE TABLE docs AS
SELECT i, (ARRAY['left hand', 'right foot', 'right hand'])[i % 3 + 1] || ' w' || i % 7 AS doc,
	CASE WHEN i % 20 = 0 THEN 'other' ELSE (ARRAY['left', 'right', 'mixed'])[i % 3 + 1] END AS label
FROM generate_series(1, 401) i;
INSERT INTO docs VALUES (0, NULL, 'left'), (0, 'left hand', NULL);
CREATE TABLE folds AS
SELECT * FROM textclf_cross_validate('docs', 'doc', 'label', 4, '{"epochs": 2, "units": 4}');
SELECT fold, rows, accuracy BETWEEN 0.5 AND 1 AS accuracy, macro_f1 BETWEEN 0.3 AND 0.9 AS macro_f1,
	weighted_f1 BETWEEN 0.5 AND 1 AS weighted_f1, seconds > 0 AS seconds FROM folds WHERE fold <> 'sd';

-- mean and standard deviation, as the server computes them
SELECT abs(m.accuracy - avg(f.accuracy)) < 1e-6 AS accuracy, abs(m.macro_f1 - avg(f.macro_f1)) < 1e-6 AS macro_f1,
	abs(m.weighted_f1 - avg(f.weighted_f1)) < 1e-6 AS weighted_f1, abs(m.seconds - avg(f.seconds)) < 1e-4 AS seconds
FROM folds f, folds m WHERE f.fold ~ '^\d' AND m.fold = 'mean' GROUP BY m.*, m.accuracy, m.macro_f1, m.weighted_f1, m.seconds;
SELECT abs(m.accuracy - stddev_samp(f.accuracy)) < 1e-6 AS accuracy, abs(m.macro_f1 - stddev_samp(f.macro_f1)) < 1e-6 AS macro_f1, m.rows
FROM folds f, folds m WHERE f.fold ~ '^\d' AND m.fold = 'sd' GROUP BY m.accuracy, m.macro_f1, m.rows;

-- A row in a fold is not in the rows its model learned from: words that occur
-- in one row alone say nothing there, whatever they say of the row itself.
CREATE TABLE unique_words AS
SELECT 'word' || i AS doc, 'label' || i % 2 AS label FROM generate_series(1, 200) i;
SELECT accuracy BETWEEN 0.3 AND 0.7 AS guessed FROM textclf_cross_validate('unique_words', 'doc', 'label', 4, '{"architecture": "linear", "char_ngrams": false, "min_rows": 1, "validation_split": 0}') WHERE fold = 'mean';

-- The order of the rows decides nothing, the seed does.
CREATE TABLE shuffled AS SELECT * FROM docs ORDER BY md5(i::text);
SELECT fold, rows, accuracy, macro_f1, weighted_f1 FROM textclf_cross_validate('shuffled', 'doc', 'label', 4, '{"epochs": 2, "units": 4}')
EXCEPT SELECT fold, rows, accuracy, macro_f1, weighted_f1 FROM folds;
SELECT count(*) > 0 AS differs FROM (
	SELECT fold, accuracy, macro_f1 FROM textclf_cross_validate('docs', 'doc', 'label', 4, '{"epochs": 2, "units": 4, "seed": 5}')
	EXCEPT SELECT fold, accuracy, macro_f1 FROM folds) d;
-- what does not fit into memory is sorted on disk, with the same result
CREATE TABLE long_docs AS SELECT doc || repeat(' and', 500) || ' so on' AS doc, label FROM docs;
CREATE FUNCTION figures() RETURNS TABLE (fold text, rows bigint, accuracy float8, macro_f1 float8) LANGUAGE sql AS $$
	SELECT fold, rows, accuracy, macro_f1
	FROM textclf_cross_validate('long_docs', 'doc', 'label', 2, '{"architecture": "linear", "char_ngrams": false, "wide_c": 1}')
$$;
CREATE TABLE in_memory AS SELECT * FROM figures();
SET work_mem = '64kB';
SELECT * FROM figures() EXCEPT TABLE in_memory;
RESET work_mem;

-- one pass: the rows are read once, whatever the folds
CREATE SEQUENCE reads;
CREATE VIEW counted AS SELECT doc, label FROM docs WHERE nextval('reads') > 0;
SELECT count(*) FROM textclf_cross_validate('counted', 'doc', 'label', 3, '{"architecture": "linear", "char_ngrams": false, "wide_c": 1}');
SELECT last_value = (SELECT count(*) FROM docs) AS once FROM reads;

-- labels with fewer rows than folds: a warning that names the rarest
CREATE VIEW rare AS SELECT doc, CASE i WHEN 7 THEN 'unicum' WHEN 8 THEN 'pair' WHEN 9 THEN 'pair' ELSE label END AS label FROM docs;
SELECT count(*), sum(rows) FROM textclf_cross_validate('rare', 'doc', 'label', 3, '{"architecture": "linear", "char_ngrams": false, "wide_c": 1}');

-- errors
SELECT * FROM textclf_cross_validate('docs', 'doc', 'label', 1);
SELECT * FROM textclf_cross_validate('docs', 'doc', 'label', 101);
SELECT * FROM textclf_cross_validate('docs', 'doc', 'label', NULL);
SELECT * FROM textclf_cross_validate(NULL, 'doc', 'label');
SELECT * FROM textclf_cross_validate('docs', 'doc', 'lable');
\set VERBOSITY terse
SELECT * FROM textclf_cross_validate('docs', 'doc', 'label', 2, '{"units": 0}');
\set VERBOSITY default
CREATE VIEW few AS SELECT doc, label FROM docs WHERE i BETWEEN 1 AND 3;
SELECT * FROM textclf_cross_validate('few', 'doc', 'label');
CREATE VIEW one_label AS SELECT doc, 'x' AS label FROM docs;
SELECT * FROM textclf_cross_validate('one_label', 'doc', 'label');
SET statement_timeout = '300ms';
SELECT * FROM textclf_cross_validate('docs', 'doc', 'label', 5, '{"epochs": 100000, "early_stopping": 0}');
RESET statement_timeout;

-- nothing is published, so it reads only; the rows need the caller's rights
BEGIN READ ONLY;
SELECT count(*) FROM textclf_cross_validate('docs', 'doc', 'label', 2, '{"architecture": "linear", "char_ngrams": false, "wide_c": 1}');
ROLLBACK;
SELECT count(*) FROM textclf_models;
CREATE ROLE regress_textclf_folder;
GRANT USAGE ON SCHEMA cross_validate TO regress_textclf_folder;
SET ROLE regress_textclf_folder;
SELECT * FROM textclf_cross_validate('docs', 'doc', 'label');
RESET ROLE;

-- confused arguments: what were texts are not told in full
CREATE TABLE confused AS SELECT repeat('secret ', 20) || i AS doc, (ARRAY['left', 'right'])[i % 2 + 1] AS label FROM generate_series(1, 20) i;
\set VERBOSITY terse
SELECT count(*) FROM textclf_cross_validate('confused', 'label', 'doc', 2, '{"architecture": "linear"}');
\set VERBOSITY default
SELECT version FROM textclf_train('confused', 'label', 'doc', 'c', '{"architecture": "linear"}');
SELECT textclf_drop('c');

-- leave nothing
SET client_min_messages = warning;
DROP SCHEMA cross_validate CASCADE;
DROP ROLE regress_textclf_folder;
