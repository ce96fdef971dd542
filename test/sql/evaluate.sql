-- A model is judged by rows, and by what its training found out.
CREATE SCHEMA evaluate;
SET search_path = evaluate, public;
SET textclf.progress = off;

-- three labels that words tell apart, not always; "other" is never predicted
CREATE TABLE docs AS
SELECT i, (ARRAY['left hand', 'right foot', 'right hand'])[i % 3 + 1] || ' w' || i % 7 AS doc,
	CASE WHEN i % 10 = 0 THEN 'other' ELSE (ARRAY['left', 'right', 'mixed'])[i % 3 + 1] END AS label
FROM generate_series(1, 600) i;
SELECT version FROM textclf_train('docs', 'doc', 'label', 'm', '{"epochs": 3, "units": 4, "refit": false}');

-- rows to judge by: NULLs, a label that the model does not know, one that is not there
CREATE TABLE rows AS
SELECT i, doc, CASE WHEN i % 13 = 0 THEN 'unheard' WHEN i % 11 = 0 THEN NULL ELSE label END AS label
FROM docs WHERE label <> 'mixed';
INSERT INTO rows VALUES (1, NULL, 'left'), (2, NULL, NULL), (3, 'left hand', 'left');
SELECT label, round("precision"::numeric, 3) AS "precision", round(recall::numeric, 3) AS recall, round(f1::numeric, 3) AS f1, support
FROM textclf_evaluate('m', 'rows', 'doc', 'label');
SELECT * FROM textclf_confusion_matrix('m', 'rows', 'doc', 'label') WHERE actual <> predicted ORDER BY 1, 2;

-- the same from the definitions, in SQL
CREATE TABLE answers AS
SELECT label AS actual, textclf_predict('m', doc) AS predicted FROM rows WHERE label IS NOT NULL AND doc IS NOT NULL;
CREATE FUNCTION figures() RETURNS TABLE (label text, "precision" float8, recall float8, f1 float8, support bigint) LANGUAGE sql AS $$
	WITH labels AS (SELECT actual AS label FROM answers UNION SELECT predicted FROM answers),
	counts AS (
		SELECT label, count(*) FILTER (WHERE actual = label AND predicted = label)::float8 AS tp,
			count(*) FILTER (WHERE predicted = label)::float8 AS said, count(*) FILTER (WHERE actual = label)::float8 AS support
		FROM labels, answers GROUP BY label),
	ratios AS (SELECT label, coalesce(tp / nullif(said, 0), 0) AS p, coalesce(tp / nullif(support, 0), 0) AS r, support FROM counts),
	scores AS (SELECT *, coalesce(2 * p * r / nullif(p + r, 0), 0) AS f FROM ratios)
	SELECT label, p, r, f, support::bigint FROM scores
	UNION ALL SELECT 'accuracy', NULL, NULL, avg((actual = predicted)::int), count(*) FROM answers
	UNION ALL SELECT 'macro avg', avg(p), avg(r), avg(f), sum(support)::bigint FROM scores
	UNION ALL SELECT 'weighted avg', sum(p * support) / sum(support), sum(r * support) / sum(support), sum(f * support) / sum(support), sum(support)::bigint FROM scores
$$;
CREATE FUNCTION differ() RETURNS TABLE (label text, a text, b text) LANGUAGE sql AS $$
	SELECT label, e::text, f::text FROM textclf_evaluate('m', 'rows', 'doc', 'label') e FULL JOIN figures() f USING (label)
	WHERE e.support IS DISTINCT FROM f.support OR abs(e."precision" - f."precision") > 1e-6 OR abs(e.recall - f.recall) > 1e-6
		OR coalesce(abs(e.f1 - f.f1) > 1e-6, true) OR (e."precision" IS NULL) <> (f."precision" IS NULL)
$$;
SELECT * FROM differ();
SELECT * FROM textclf_confusion_matrix('m', 'rows', 'doc', 'label')
EXCEPT SELECT actual, predicted, count(*) FROM answers GROUP BY 1, 2;
SELECT count(*) = (SELECT count(DISTINCT (actual, predicted)) FROM answers) AS whole FROM textclf_confusion_matrix('m', 'rows', 'doc', 'label');
-- the comparison notices a single other answer
UPDATE answers SET predicted = 'unheard' WHERE ctid = (SELECT min(ctid) FROM answers WHERE actual = 'left');
SELECT count(*) > 0 AS noticed FROM differ();

-- without rows there are no figures, and no error
CREATE TABLE nothing (doc varchar, label int);
SELECT * FROM textclf_evaluate('m', 'nothing', 'doc', 'label');
SELECT * FROM textclf_confusion_matrix('m', 'nothing', 'doc', 'label');
-- labels of other types are compared as text; many that are unknown
CREATE VIEW numbered AS SELECT doc::varchar AS doc, i AS label FROM docs;
SELECT count(*), max(f1), max(support) FROM textclf_evaluate('m', 'numbered', 'doc', 'label');
SELECT count(*), sum(n) FROM textclf_confusion_matrix('m', 'numbered', 'doc', 'label');
CREATE VIEW boundless AS SELECT 'x' AS doc, i::text AS label FROM generate_series(1, 100000) i;
SELECT * FROM textclf_evaluate('m', 'boundless', 'doc', 'label');
CREATE VIEW long_labels AS SELECT 'x' AS doc, repeat('y', 10001) AS label;
SELECT * FROM textclf_evaluate('m', 'long_labels', 'doc', 'label');
-- reading a row may use models itself, in a cache that has no room for two
SELECT version FROM textclf_train('docs', 'doc', 'label', 'second', '{"epochs": 1, "units": 2}');
CREATE VIEW busy AS SELECT doc, label FROM rows WHERE textclf_predict('second', coalesce(doc, '')) IS NOT NULL;
SET textclf.cache_size = '1kB';
SELECT count(*) FROM (TABLE busy) b;
SELECT * FROM textclf_evaluate('m', 'busy', 'doc', 'label') EXCEPT SELECT * FROM textclf_evaluate('m', 'rows', 'doc', 'label');
RESET textclf.cache_size;

-- The validation rows of the training: the figures that are remembered.
SELECT e.f1 = m.accuracy AS accuracy, e.support FROM textclf_evaluate('m') e, textclf_models m WHERE name = 'm' AND label = 'accuracy';
SELECT e.f1 = m.macro_f1 AS macro_f1 FROM textclf_evaluate('m') e, textclf_models m WHERE name = 'm' AND label = 'macro avg';
SELECT sum(n) AS rows, sum(n) FILTER (WHERE actual = predicted)::float8 / sum(n) = max(m.accuracy) AS accuracy
FROM textclf_confusion_matrix('m@1'), textclf_models m WHERE name = 'm';
-- a model that learned nothing from those rows answers for all rows about as well
SELECT abs(a.f1 - b.f1) < 0.05 AS alike FROM textclf_evaluate('m') a, textclf_evaluate('m', 'docs', 'doc', 'label') b
WHERE a.label = 'accuracy' AND b.label = 'accuracy';
-- with refit they are still those from before, when the rows were new to it
SELECT version FROM textclf_train('docs', 'doc', 'label', 'm', '{"epochs": 3, "units": 4, "refit": true}');
SELECT * FROM textclf_evaluate('m@1') EXCEPT SELECT * FROM textclf_evaluate('m@2');
-- they travel with the model
SELECT textclf_import('copy', textclf_export('m'));
SELECT * FROM textclf_confusion_matrix('m') EXCEPT SELECT * FROM textclf_confusion_matrix('copy');
SELECT * FROM textclf_evaluate('m') EXCEPT SELECT * FROM textclf_evaluate('copy');
SELECT version FROM textclf_train('docs', 'doc', 'label', 'unjudged', '{"epochs": 1, "units": 2, "validation_split": 0}');
SELECT * FROM textclf_evaluate('unjudged');
SELECT * FROM textclf_confusion_matrix('unjudged');

-- many labels: what is remembered stays small
CREATE TABLE many AS
SELECT 'word' || i % 1000 || CASE WHEN i % 9 = 0 THEN '' ELSE ' more' || i % 1000 END AS doc, 'label ' || (i + (i % 5 = 0)::int) % 1000 AS label
FROM generate_series(1, 4000) i;
SET client_min_messages = error;
SELECT version FROM textclf_train('many', 'doc', 'label', 'many', '{"architecture": "linear", "char_ngrams": false, "wide_c": 10, "validation_split": 0.4}');
RESET client_min_messages;
SELECT sum(n) BETWEEN 1 AND 2000 AS rows, count(*) <= sum(n) AS cells FROM textclf_confusion_matrix('many');
SELECT length(info::text) < 60000 AS small FROM textclf_version WHERE model = 'many';

-- what was asked for wrongly
SELECT * FROM textclf_evaluate(NULL);
SELECT * FROM textclf_evaluate('m', 'docs');
SELECT * FROM textclf_evaluate('m', 'docs', 'doc');
SELECT * FROM textclf_confusion_matrix('m', NULL, 'doc', 'label');
SELECT * FROM textclf_evaluate('m', 'docs', 'doc', 'lable');
SELECT * FROM textclf_evaluate('m', 'docs', 'i', 'label');
SELECT * FROM textclf_evaluate('m', 'pg_class_oid_index', 'doc', 'label');
SELECT * FROM textclf_evaluate('m@7');
SELECT * FROM textclf_evaluate('nobody', 'docs', 'doc', 'label');
SET statement_timeout = '30ms';
SELECT * FROM textclf_evaluate('m', (SELECT oid FROM pg_class WHERE relname = 'boundless'), 'doc', 'label');
RESET statement_timeout;
-- it reads only
BEGIN READ ONLY;
SELECT count(*) FROM textclf_evaluate('m', 'docs', 'doc', 'label');
ROLLBACK;

-- The rows need the caller's rights, as the model does.
CREATE ROLE regress_textclf_judge;
GRANT USAGE ON SCHEMA evaluate TO regress_textclf_judge;
SELECT textclf_grant('m', 'regress_textclf_judge');
SET ROLE regress_textclf_judge;
SELECT count(*) FROM textclf_evaluate('m');
SELECT * FROM textclf_evaluate('m', 'docs', 'doc', 'label');
SELECT * FROM textclf_confusion_matrix('m', 'docs', 'doc', 'label');
RESET ROLE;
GRANT SELECT (doc) ON docs TO regress_textclf_judge;
SET ROLE regress_textclf_judge;
SELECT * FROM textclf_evaluate('m', 'docs', 'doc', 'label');
RESET ROLE;
GRANT SELECT ON docs TO regress_textclf_judge;
ALTER TABLE docs ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON docs TO regress_textclf_judge USING (label = 'other');
SET ROLE regress_textclf_judge;
SELECT support FROM textclf_evaluate('m', 'docs', 'doc', 'label') WHERE label = 'accuracy';
SELECT * FROM textclf_evaluate('second', 'docs', 'doc', 'label');
SELECT * FROM textclf_confusion_matrix('second');
RESET ROLE;

-- leave nothing
SET client_min_messages = warning;
SELECT count(textclf_drop(name)) FROM (SELECT DISTINCT name FROM textclf_models) m;
DROP SCHEMA evaluate CASCADE;
DROP ROLE regress_textclf_judge;
