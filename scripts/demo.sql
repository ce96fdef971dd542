-- The demonstration itself.  scripts/demo has made the tables document (body,
-- label, held_out) and invented (body).
\pset footer off
\pset border 1
\set ECHO queries

CREATE EXTENSION textclf;

CREATE VIEW training AS SELECT body, label FROM document WHERE NOT held_out;

\echo
\echo '-- One statement trains a classifier.'
SELECT model, version, rows, classes, epochs,
       round(accuracy::numeric, 3) AS accuracy, round(macro_f1::numeric, 3) AS macro_f1, seconds
FROM textclf_train('training', 'body', 'label', 'topics', '{"max_seconds": 100}');

\echo '-- Texts that were made up for this demonstration:'
SELECT body, textclf_predict('topics', body) AS predicted,
       round(textclf_probability('topics', body, textclf_predict('topics', body))::numeric, 2) AS probability
FROM invented;

\echo '-- Rows that were held out of the training:'
SELECT left(body, 60) AS body, label AS actual, textclf_predict('topics', body) AS predicted
FROM document WHERE held_out ORDER BY md5(body) LIMIT 8;

SELECT count(*) AS held_out,
       round(avg((textclf_predict('topics', body) = label)::int), 3) AS predicted_right
FROM document WHERE held_out;

\echo '-- A trigger classifies what arrives.'
CREATE TABLE inbox (body text, label text, probability real);
CREATE TRIGGER classify BEFORE INSERT OR UPDATE OF body ON inbox
FOR EACH ROW EXECUTE FUNCTION textclf_classify('topics', 'body', 'label', 'probability');
INSERT INTO inbox (body) SELECT body FROM invented LIMIT 3
RETURNING body, label, round(probability::numeric, 2) AS probability;

\echo '-- The model:'
\x on
SELECT name, version, deployed, owner, rows, accuracy, macro_f1, parameters, pg_size_pretty(bytes) AS size
FROM textclf_models;
