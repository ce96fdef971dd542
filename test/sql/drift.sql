-- How far today's rows are from those that a model learned from.
CREATE SCHEMA drift;
SET search_path = drift, public;
SET textclf.progress = off;
SET client_min_messages = warning;
CREATE TABLE docs AS
SELECT i, (ARRAY['hot sunny day', 'cold dark night', 'warm wet wind'])[i % 3 + 1] || ' w' || (i * 7) % 5 || CASE WHEN i % 20 = 0 THEN ' rare' || i ELSE '' END
	|| CASE WHEN i % 4 = 0 THEN (ARRAY[' night', ' wind', ' day'])[i % 3 + 1] ELSE '' END AS doc, (ARRAY['hot', 'cold', 'warm'])[i % 3 + 1] AS label
FROM generate_series(1, 1200) i;
SELECT version FROM textclf_train('docs', 'doc', 'label', 'm', '{"architecture": "linear", "min_rows": 2, "validation_split": 0.3}');
SELECT version FROM textclf_train('docs', 'doc', 'label', 'blind', '{"architecture": "linear", "min_rows": 2, "validation_split": 0}');
RESET client_min_messages;

-- rows like those of the training; a NULL does not count
CREATE TABLE same AS SELECT replace(doc, 'rare', 'other') AS doc FROM docs WHERE i <= 600 UNION ALL SELECT NULL;
SELECT measure, label, verdict FROM textclf_drift('m', 'same', 'doc');
-- what the figures are
CREATE VIEW answers AS SELECT doc, p.label, p.probability FROM same, textclf_predict_proba('m', doc, 1) p;
SELECT measure, label, abs(today - CASE measure
		WHEN 'unknown tokens' THEN (SELECT avg((NOT in_vocabulary)::int) FROM same, textclf_tokens('m', doc))
		WHEN 'confidence' THEN (SELECT avg(probability::float8) FROM answers)
		WHEN 'label' THEN (SELECT avg((a.label = d.label)::int) FROM answers a)
		WHEN 'labels' THEN (SELECT sum((q - p) * ln(q / p)) FROM (SELECT (l.today * 600 + 0.5) / 601.5 AS q, (l.training * 360 + 0.5) / 361.5 AS p
			FROM textclf_drift('m', 'same', 'doc') l WHERE measure = 'label') s)
		END) < 1e-6 AS right_today, training BETWEEN 0 AND 1 AS has_training
FROM textclf_drift('m', 'same', 'doc') d;
SELECT round(sum(training) FILTER (WHERE measure = 'label')::numeric, 4)::float8 AS shares, max(training) FILTER (WHERE measure = 'unknown tokens') BETWEEN 0.005 AND 0.03 AS few_unknown FROM textclf_drift('m', 'same', 'doc');

-- other words; other labels; less certain; a little of it
CREATE TABLE days (what text, doc text);
INSERT INTO days SELECT 'words', doc || ' neue fremde woerter' FROM docs WHERE i <= 300;
INSERT INTO days SELECT 'few words', doc || CASE WHEN i % 2 = 0 THEN ' neu' ELSE '' END FROM docs WHERE i <= 300;
INSERT INTO days SELECT 'labels', doc FROM docs WHERE label = 'hot' AND i <= 300;
INSERT INTO days SELECT 'uncertain', (ARRAY['day', 'night', 'wind', 'w1'])[i % 4 + 1] || (ARRAY[' wind', ' day', ' night', ' w2'])[i % 4 + 1] FROM docs WHERE i <= 300;
CREATE FUNCTION verdicts(day text) RETURNS TABLE (measure text, verdict text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TEMP VIEW day AS SELECT doc FROM drift.days WHERE what = %L', day);
	RETURN QUERY SELECT d.measure, d.verdict FROM textclf_drift('m', 'day', 'doc') d WHERE d.label IS NULL;
	DROP VIEW day;
END $$;
SELECT day, measure, verdict FROM unnest(ARRAY['words', 'few words', 'labels', 'uncertain']) day, verdicts(day);
-- of five rows nothing can be said but what is beyond chance
INSERT INTO days SELECT 'five', doc FROM docs WHERE i <= 5;
SELECT measure, verdict FROM verdicts('five');

-- nothing to compare with, or nothing to compare
SELECT * FROM textclf_drift('blind', 'same', 'doc') WHERE measure <> 'label' AND (training IS NOT NULL OR verdict IS NOT NULL);
CREATE TABLE nothing (doc text);
SELECT measure, label, today, distance, verdict FROM textclf_drift('m', 'nothing', 'doc');
-- the figures travel with the model
SELECT textclf_import('carried', textclf_export('m'));
SELECT * FROM textclf_drift('m', 'same', 'doc') EXCEPT SELECT * FROM textclf_drift('carried', 'same', 'doc');

-- mistakes and rights
SELECT * FROM textclf_drift(NULL, 'same', 'doc');
SELECT * FROM textclf_drift('m', NULL, 'doc');
SELECT * FROM textclf_drift('m', 'same', NULL);
SELECT * FROM textclf_drift('m', 'same', 'no_such_column');
CREATE ROLE regress_textclf_watcher;
GRANT USAGE ON SCHEMA drift TO regress_textclf_watcher;
SET ROLE regress_textclf_watcher;
SELECT * FROM textclf_drift('m', 'same', 'doc');
RESET ROLE;
SELECT textclf_grant('m', 'regress_textclf_watcher');
SET ROLE regress_textclf_watcher;
SELECT * FROM textclf_drift('m', 'same', 'doc');
RESET ROLE;
GRANT SELECT ON same TO regress_textclf_watcher;
SET ROLE regress_textclf_watcher;
SELECT count(*) FROM textclf_drift('m', 'same', 'doc');
RESET ROLE;

-- leave nothing
SET client_min_messages = warning;
SELECT count(textclf_drop(name)) FROM (SELECT DISTINCT name FROM textclf_models) m;
DROP SCHEMA drift CASCADE;
DROP ROLE regress_textclf_watcher;
