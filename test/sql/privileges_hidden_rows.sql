-- A training learns from the rows and columns that its caller can see: what is
-- hidden by row security, column grants or a security barrier leaves no trace
-- in a model, not a single bit.
CREATE SCHEMA privileges_hidden_rows;
SET search_path = privileges_hidden_rows, public;
SET textclf.progress = off;
SET client_min_messages = warning;
CREATE ROLE regress_textclf_reader;
GRANT USAGE ON SCHEMA privileges_hidden_rows TO regress_textclf_reader;

-- 50 words that stand in hidden rows and hidden columns only
CREATE TABLE planted AS SELECT 'planted' || chr(97 + i / 10) || chr(97 + i % 10) AS word FROM generate_series(0, 49) i;
CREATE TABLE docs (doc text, label text, note text, hidden boolean);
INSERT INTO docs
SELECT (ARRAY['warm sunny day', 'cold dark night'])[i % 2 + 1] || ' seen' || i % 13, (ARRAY['warm', 'cold'])[i % 2 + 1],
	(SELECT word FROM planted LIMIT 1 OFFSET i % 50), false
FROM generate_series(1, 200) i;
CREATE TABLE seen AS SELECT * FROM docs;	-- what everyone may see
INSERT INTO docs SELECT word || ' warm ' || word, 'warm', word, true FROM planted, generate_series(1, 5);
INSERT INTO docs SELECT word || ' ' || word, word, word, true FROM planted, generate_series(1, 5);

-- the way of each: column grants with row security, a barrier that a leaky condition stands behind, a plain view
GRANT SELECT (doc, label) ON docs TO regress_textclf_reader;
ALTER TABLE docs ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON docs TO regress_textclf_reader USING (NOT hidden);
CREATE VIEW barrier WITH (security_barrier) AS SELECT doc, label FROM docs WHERE NOT hidden;
CREATE VIEW plain AS SELECT doc, label FROM docs WHERE NOT hidden;
CREATE MATERIALIZED VIEW kept AS SELECT doc, label FROM docs WHERE NOT hidden;
CREATE VIEW everything AS SELECT doc, label FROM docs;
GRANT SELECT ON barrier, plain, kept, seen TO regress_textclf_reader;

-- the tensors of a model: labels, vocabulary, n-grams and weights
CREATE FUNCTION tensors(model text) RETURNS bytea LANGUAGE sql AS $$
	SELECT substr(bytes, 9 + get_byte(bytes, 0) + 256 * get_byte(bytes, 1) + 65536 * get_byte(bytes, 2)) FROM textclf_export(model) bytes
$$;
CREATE FUNCTION train(source regclass, model text, architecture text) RETURNS bigint LANGUAGE sql AS $$
	SELECT rows FROM textclf_train(source, 'doc', 'label', model,
		jsonb_build_object('epochs', 1, 'units', 4, 'embedding_dim', 4, 'min_count', 1, 'char_ngrams', true, 'architecture', architecture, 'deploy', 'if_better'))
$$;
GRANT EXECUTE ON FUNCTION train, tensors TO regress_textclf_reader;

SELECT train('seen', 'of what is seen', 'hybrid'), train('everything', 'of all', 'hybrid');
SELECT count(*) FILTER (WHERE position(convert_to(word, 'UTF8') IN tensors('of all')) > 0) AS would_be_found FROM planted;
SET ROLE regress_textclf_reader;
SELECT source, train(source, source::text, 'hybrid') AS rows, train(source, source::text, 'hybrid') AS again
FROM unnest(ARRAY['docs', 'barrier', 'plain', 'kept']::regclass[]) source;
RESET ROLE;
SELECT name, count(*) FILTER (WHERE position(convert_to(word, 'UTF8') IN textclf_export(name || '@2')) > 0) AS found,
	count(*) FILTER (WHERE (SELECT bool_or(in_vocabulary) FROM textclf_tokens(name || '@2', word))) AS in_vocabulary,
	(SELECT count(*) FROM textclf_predict_proba(name || '@2', 'x')) AS labels,
	tensors(name || '@2') = tensors('of what is seen') AS same_bits
FROM planted, unnest(ARRAY['docs', 'barrier', 'plain', 'kept']) name GROUP BY name ORDER BY name;

-- what may not be read at all
SET ROLE regress_textclf_reader;
SELECT textclf_train('everything', 'doc', 'label', 'forbidden');
SELECT textclf_train('docs', 'note', 'label', 'forbidden');
SELECT textclf_train('docs', 'doc', 'note', 'forbidden');
SET row_security = off;
SELECT textclf_train('docs', 'doc', 'label', 'forbidden');
RESET row_security;
RESET ROLE;
SELECT count(*) FROM textclf_models WHERE name = 'forbidden';

-- a label of a hidden row is no label of the model, and an error does not say that it exists
SET ROLE regress_textclf_reader;
SELECT textclf_probability('docs', 'warm', 'plantedaa');
RESET ROLE;

-- leave nothing
SELECT count(textclf_drop(name)) FROM (SELECT DISTINCT name FROM textclf_models) m;
DROP SCHEMA privileges_hidden_rows CASCADE;
DROP ROLE regress_textclf_reader;
