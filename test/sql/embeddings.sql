-- Option embeddings: the network begins with vectors of words from a table.
CREATE SCHEMA embeddings;
SET search_path = embeddings, public;
CREATE ROLE regress_textclf_reader LOGIN;
GRANT ALL ON SCHEMA embeddings TO PUBLIC;
CREATE TABLE docs AS
SELECT (ARRAY['left hand', 'right foot', 'Left toe'])[i % 3 + 1] || ' w' || i % 7 AS doc, (ARRAY['hand', 'foot', 'toe'])[i % 3 + 1] AS label
FROM generate_series(1, 300) i;
-- as GloVe and fastText publish them: a word and its numbers in a line
CREATE TABLE lines (line text);
INSERT INTO lines VALUES ('left 0.5 -0.5 0.25'), ('RIGHT 1 1 1'), ('Left 9 9 9'), ('hand -1 -0.5 0'), ('foot -1 -0.5 0'),
	('toe 0 0 1e-3'), ('nowhere 1 2 3'), ('left hand 4 5 6'), ('. 1 1 1');
CREATE TABLE vectors AS
SELECT array_to_string(parts[:cardinality(parts) - 3], ' ') AS word, parts[cardinality(parts) - 2:]::real[] AS vector
FROM (SELECT string_to_array(line, ' ') AS parts FROM lines) l;
SELECT word, vector FROM vectors ORDER BY word COLLATE "C";

-- found are left, right, hand, foot and toe; the number of dimensions is theirs
CREATE FUNCTION train(options jsonb, name text DEFAULT 'm') RETURNS int LANGUAGE sql AS $$
	SELECT version FROM textclf_train('docs', 'doc', 'label', name, '{"architecture": "bilstm", "epochs": 2, "units": 4}' || options)
$$;
CREATE FUNCTION apart(a text, b text, OUT apart bool) LANGUAGE sql AS $$
	SELECT max(abs(x.probability - y.probability)) > 1e-5
	FROM textclf_predict_proba('m', a) x JOIN textclf_predict_proba('m', b) y USING (label)
$$;
SET textclf.progress = off;
SELECT train('{"embeddings": "vectors", "train_embeddings": false}');
SELECT options->>'embedding_dim' AS embedding_dim FROM textclf_models WHERE name = 'm';
-- what is not trained stays: two words of one vector are one to the network
SELECT apart('left hand', 'left foot') AS by_words, apart('hand', 'toe') AS by_vectors;
SELECT train('{"embeddings": "vectors"}');
SELECT apart('left hand', 'left foot') AS by_words;
-- double precision, a view, a qualified name
CREATE VIEW doubles AS SELECT word::varchar, vector::float8[] FROM vectors WHERE word <> 'Left' ORDER BY random();
SELECT train('{"embeddings": "embeddings.doubles", "train_embeddings": false}', 'd');
SELECT count(*) FROM textclf_predict_proba('m@1', 'left hand') a JOIN textclf_predict_proba('d', 'left hand') b USING (label)
WHERE a.probability = b.probability;
-- each fold reads them
SELECT accuracy BETWEEN 0 AND 1 AS accuracy FROM textclf_cross_validate('docs', 'doc', 'label', 2, '{"embeddings": "vectors", "epochs": 1, "units": 2}') WHERE fold = 'mean';

-- what is wrong with vectors
CREATE TABLE wrong (word text, vector real[]);
CREATE FUNCTION try(word text, vector real[], options jsonb DEFAULT '{}') RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	message text;
	context text;
BEGIN
	TRUNCATE wrong;
	INSERT INTO wrong VALUES ('left', '{1,2,3}'), (word, vector);
	PERFORM train('{"embeddings": "wrong"}' || options);
	RAISE WARNING 'taken';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, context = PG_EXCEPTION_CONTEXT;
	RAISE NOTICE '% % (%)', SQLSTATE, message, split_part(context, E'\n', 1);
END $$;
SELECT try('right', '{1,2}');
SELECT try('elsewhere', '{1,2,3,4}');
SELECT try('right', '{1,NaN,2}');
SELECT try('right', '{1,2,-Infinity}');
SELECT try('right', '{1,2,NULL}');
SELECT try('right', NULL);
SELECT try(NULL, '{1,2,3}');
SELECT try('right', '{}');
SELECT try('right', '{{1,2,3}}');
SELECT try('right', '{1,2,3}', '{"embedding_dim": 4}');
SELECT try('right', '{1,2,3}', '{"architecture": "linear"}');
SELECT try('right', array_fill(1::real, ARRAY[5000]));
\set VERBOSITY terse
SELECT train('{"embeddings": "no_such_table"}');
SELECT train('{"embeddings": 7}');
SELECT train('{"embeddings": "vectors", "train_embeddings": "no"}');
SELECT train('{"embeddings": "docs"}');
CREATE TABLE no_vector (word text);
CREATE TABLE no_numbers (word text, vector date);
CREATE TABLE no_words (word int, vector real[]);
CREATE SEQUENCE numbers;
SELECT train('{"embeddings": "no_vector"}');
SELECT train('{"embeddings": "no_numbers"}');
SELECT train('{"embeddings": "no_words"}');
SELECT train('{"embeddings": "numbers"}');

-- the caller's rights: table, columns, rows
GRANT SELECT ON docs TO regress_textclf_reader;
SET ROLE regress_textclf_reader;
SELECT train('{"embeddings": "vectors"}', 'r');
SELECT textclf_train_background('docs', 'doc', 'label', 'r', '{"embeddings": "vectors"}');
RESET ROLE;
GRANT SELECT (word, vector) ON vectors TO regress_textclf_reader;
ALTER TABLE vectors ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON vectors TO regress_textclf_reader USING (word = 'left');
CREATE TABLE left_only AS SELECT * FROM vectors WHERE word = 'left';
SELECT train('{"embeddings": "left_only"}', 'l');
SET ROLE regress_textclf_reader;
SELECT train('{"embeddings": "vectors"}', 'r');
RESET ROLE;
SELECT count(*) FROM textclf_predict_proba('r', 'left hand') a JOIN textclf_predict_proba('l', 'left hand') b USING (label)
WHERE a.probability = b.probability;
-- another session cannot read these
CREATE TEMPORARY TABLE passing AS SELECT * FROM vectors;
SELECT textclf_train_background('docs', 'doc', 'label', 'r', '{"embeddings": "passing"}');

SELECT textclf_drop(name) FROM textclf_models WHERE name IN ('m', 'd', 'r', 'l') AND deployed;
SET client_min_messages = warning;
DROP SCHEMA embeddings CASCADE;
DROP ROLE regress_textclf_reader;
