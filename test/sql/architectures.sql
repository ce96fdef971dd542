-- Every architecture goes the whole way: training, prediction, trigger, file.
CREATE SCHEMA architectures;
SET search_path = architectures, public;
SET textclf.progress = off;
CREATE TABLE docs AS
SELECT i AS id, (ARRAY['the ship left the harbour', 'the train left the station', 'the plane left the ground'])[i % 3 + 1] || ' at ' || i % 13 AS doc,
	(ARRAY['water', 'rail', 'air'])[i % 3 + 1] AS label
FROM generate_series(1, 300) i;
CREATE TABLE architectures (position int, name text);
INSERT INTO architectures VALUES (1, 'hybrid'), (2, 'bilstm'), (3, 'linear'), (4, 'lstm');

-- Figures: of both branches where there are both, and no epochs without a network.
SELECT a.name, t.version, t.classes, t.epochs > 0 AS epochs, t.accuracy > 0.9 AS accurate, t.macro_f1 > 0.9 AS macro_f1,
	t.deep_accuracy BETWEEN 0 AND 1 AS deep, t.wide_accuracy BETWEEN 0 AND 1 AS wide
FROM architectures a, LATERAL textclf_train('docs', 'doc', 'label', a.name,
	jsonb_build_object('architecture', a.name, 'epochs', 30, 'units', 8, 'embedding_dim', 8, 'maxlen', 10, 'learning_rate', 0.02)) t
ORDER BY a.position;
SELECT a.name, options ->> 'architecture' = a.name AS architecture, accuracy > 0.9 AS accurate,
	deep_accuracy BETWEEN 0 AND 1 AS deep, wide_accuracy BETWEEN 0 AND 1 AS wide,
	calibration_error BETWEEN 0 AND 1 AS calibrated, parameters > 0 AS parameters, bytes > 1000 AS bytes,
	(SELECT count(*) > 0 FROM textclf_history(a.name)) AS history
FROM architectures a JOIN textclf_models m USING (name) ORDER BY position;
-- alone, a branch is all there is
SELECT name, accuracy = coalesce(deep_accuracy, wide_accuracy) AS same
FROM architectures JOIN textclf_models m USING (name) WHERE name <> 'hybrid' ORDER BY position;

-- The default is the hybrid.
SELECT deep_accuracy IS NOT NULL AS deep, wide_accuracy IS NOT NULL AS wide
FROM textclf_train('docs', 'doc', 'label', 'default', '{"epochs": 2, "units": 4}');
SELECT options ->> 'architecture' AS architecture FROM textclf_models WHERE name = 'default';

-- One answer, however it is asked for.
CREATE TABLE answers (architecture text, id int, doc text, label text, probability real);
INSERT INTO answers
SELECT a.name, d.id, d.doc, textclf_predict(a.name, d.doc), max(p.probability)
FROM architectures a, docs d, textclf_predict_proba(a.name, d.doc) p WHERE d.id <= 60 GROUP BY 1, 2, 3;
SELECT a.name, count(*) FILTER (WHERE w.label = d.label) > 50 AS right,
	bool_and(w.probability = textclf_probability(a.name, d.doc, w.label)) AS probability,
	array_agg(w.label ORDER BY d.id) = textclf_predict(a.name, array_agg(d.doc ORDER BY d.id)) AS array
FROM architectures a JOIN answers w ON w.architecture = a.name JOIN docs d USING (id) GROUP BY a.position, a.name ORDER BY a.position;
CREATE TABLE inbox (id int, doc text, label text, probability real);
DO $$
DECLARE
	a text;
BEGIN
	FOR a IN SELECT name FROM architectures ORDER BY position LOOP
		EXECUTE format('CREATE TRIGGER classify BEFORE INSERT ON inbox FOR EACH ROW EXECUTE FUNCTION textclf_classify(%L, ''doc'', ''label'', ''probability'')', a);
		INSERT INTO inbox (id, doc) SELECT id, doc FROM docs WHERE id <= 60;
		RAISE INFO '% differ from the trigger of %',
			(SELECT count(*) FROM inbox i JOIN answers w USING (id) WHERE w.architecture = a AND (i.label, i.probability) IS DISTINCT FROM (w.label, w.probability)), a;
		TRUNCATE inbox;
		DROP TRIGGER classify ON inbox;
	END LOOP;
END $$;

-- Texts without a known word or n-gram have an answer, and always the same.
CREATE TABLE unknown (doc text);
INSERT INTO unknown VALUES (''), (' '), ('?!'), ('qqq'), ('龘龘 龘'), (repeat('qqq ', 5000)), (repeat('q', 100000));
SELECT a.name, count(*), bool_and(textclf_predict(a.name, doc) IN ('water', 'rail', 'air')) AS answered,
	bool_and((SELECT abs(sum(probability) - 1) < 1e-5 FROM textclf_predict_proba(a.name, doc))) AS sums,
	textclf_predict(a.name, array_agg(doc)) = array_agg(textclf_predict(a.name, doc)) AS array
FROM architectures a, unknown GROUP BY a.position, a.name ORDER BY a.position;
SELECT count(DISTINCT textclf_probability('linear', doc, 'air')) AS answers FROM unknown;
-- nothing of one text is left in the next
SELECT a.name, textclf_predict(a.name, ARRAY['', 'the ship left', '']) = ARRAY[textclf_predict(a.name, ''), textclf_predict(a.name, 'the ship left'), textclf_predict(a.name, '')] AS independent
FROM architectures a ORDER BY a.position;

-- A file brings everything along.
SELECT a.name, textclf_import('copy of ' || a.name, textclf_export(a.name)) AS version FROM architectures a ORDER BY a.position;
SELECT a.name, m.accuracy = c.accuracy AS accuracy, m.deep_accuracy IS NOT DISTINCT FROM c.deep_accuracy AS deep,
	m.wide_accuracy IS NOT DISTINCT FROM c.wide_accuracy AS wide, m.calibration_error = c.calibration_error AS calibration,
	m.options = c.options AS options, m.parameters = c.parameters AS parameters,
	textclf_export(a.name) = textclf_export('copy of ' || a.name) AS bytes,
	(SELECT bool_and(textclf_probability(c.name, w.doc, w.label) = w.probability) FROM answers w WHERE w.architecture = a.name) AS probabilities
FROM architectures a JOIN textclf_models m USING (name) JOIN textclf_models c ON c.name = 'copy of ' || a.name ORDER BY a.position;

-- Only networks have embeddings, only the linear branch n-grams.
SELECT a.name, (SELECT count(*) FROM textclf_tokens(a.name, 'the ship sank')) AS tokens,
	position('"embedding.weight"'::bytea IN bytes) > 0 AS embedding, position('"wide.kernel"'::bytea IN bytes) > 0 AS ngrams
FROM architectures a, textclf_export(a.name) bytes ORDER BY a.position;

-- The order of the rows decides nothing.
CREATE VIEW docs_reversed AS SELECT * FROM docs ORDER BY id DESC;
SELECT a.name, t.version FROM architectures a, LATERAL textclf_train('docs_reversed', 'doc', 'label', a.name,
	jsonb_build_object('architecture', a.name, 'epochs', 30, 'units', 8, 'embedding_dim', 8, 'maxlen', 10, 'learning_rate', 0.02)) t
ORDER BY a.position;
SELECT a.name, bool_and(textclf_probability(a.name || '@2', w.doc, w.label) = w.probability) AS same
FROM architectures a JOIN answers w ON w.architecture = a.name GROUP BY a.position, a.name ORDER BY a.position;

-- Without validation rows there are no figures, but a model.
SELECT a.name, t.accuracy, t.macro_f1, t.deep_accuracy, t.wide_accuracy
FROM architectures a, LATERAL textclf_train('docs', 'doc', 'label', 'unjudged',
	jsonb_build_object('architecture', a.name, 'epochs', 2, 'units', 4, 'maxlen', 10, 'validation_split', 0)) t
ORDER BY a.position;
SELECT version, calibration_error, textclf_predict(name || '@' || version, 'the train') IS NOT NULL AS predicts FROM textclf_models WHERE name = 'unjudged' ORDER BY version;

-- options of the linear branch
SELECT version FROM textclf_train('docs', 'doc', 'label', 'words', '{"architecture": "linear", "char_ngrams": false, "wide_c": 1}');
SELECT version FROM textclf_train('docs', 'doc', 'label', 'letters', '{"architecture": "linear", "char_ngrams": true, "wide_c": 1}');
SELECT options -> 'char_ngrams' AS char_ngrams, options -> 'wide_c' AS wide_c,
	textclf_probability(name, 'shipping', 'water') = textclf_probability(name, '', 'water') AS unknown
FROM textclf_models WHERE name IN ('words', 'letters') ORDER BY name;
\set VERBOSITY terse
SELECT textclf_train('docs', 'doc', 'label', 'words', '{"wide_c": 0}');
SELECT textclf_train('docs', 'doc', 'label', 'words', '{"char_ngrams": "all"}');
\set VERBOSITY default

-- the linear model has nothing to tell on its way but how good it is
SET textclf.progress = on;
SELECT version FROM textclf_train('docs', 'doc', 'label', 'words', '{"architecture": "linear"}');
SET textclf.progress = off;

-- predictions on bytes: as asked for, else if validation rows say that it costs nothing; on all ways the same
SELECT version FROM textclf_train('docs', 'doc', 'label', 'floats', '{"architecture": "bilstm", "epochs": 10, "units": 8, "precision": "float32"}');
SELECT version FROM textclf_train('docs', 'doc', 'label', 'bytes', '{"architecture": "bilstm", "epochs": 10, "units": 8, "precision": "int8"}');
SELECT version FROM textclf_train('docs', 'doc', 'label', 'unseen', '{"architecture": "bilstm", "epochs": 1, "units": 8, "validation_split": 0}');
SELECT name, options ->> 'precision' AS precision FROM textclf_models WHERE name IN ('floats', 'bytes', 'unseen') ORDER BY name;
SELECT textclf_import('bytes copy', textclf_export('bytes'));
SELECT bool_and(b.probability = c.probability) AS copy, bool_or(b.probability <> f.probability) AS other, bool_and(abs(b.probability - f.probability) < 0.1) AS near,
	bool_and(b.label = a.label) AS array
FROM (SELECT id, doc, (textclf_predict('bytes', array_agg(doc) OVER ()))[row_number() OVER ()] AS label FROM docs) a,
	LATERAL (SELECT * FROM textclf_predict_proba('bytes', doc, 1)) b,
	LATERAL (SELECT textclf_probability('bytes copy', doc, b.label) AS probability) c,
	LATERAL (SELECT textclf_probability('floats', doc, b.label) AS probability) f;
\set VERBOSITY terse
SELECT textclf_train('docs', 'doc', 'label', 'bytes', '{"precision": "int4"}');
\set VERBOSITY default

-- a model that could not be stored
SET textclf.max_model_size = '64kB';
CREATE TABLE varied AS SELECT (SELECT string_agg(md5((i * j)::text), ' ') FROM generate_series(1, 20) j) AS doc, 'label ' || i % 20 AS label FROM generate_series(1, 200) i;
\set VERBOSITY sqlstate
SELECT version FROM textclf_train('varied', 'doc', 'label', 'varied', '{"architecture": "linear", "char_ngrams": false, "wide_c": 1}');
SELECT version FROM textclf_train('varied', 'doc', 'label', 'varied', '{"epochs": 10000, "early_stopping": 0, "char_ngrams": false, "wide_c": 1}');
\set VERBOSITY default
RESET textclf.max_model_size;

-- leave nothing
SET client_min_messages = warning;
SELECT count(textclf_drop(name)) FROM (SELECT DISTINCT name FROM textclf_models) m;
DROP SCHEMA architectures CASCADE;
