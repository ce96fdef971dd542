-- Every function that takes a model refuses a role without a grant, in a session
-- that has the model in memory as well; the catalog says which functions.
CREATE SCHEMA privileges_every_function;
SET search_path = privileges_every_function, public;
SET textclf.progress = off;
\getenv abs_srcdir PG_ABS_SRCDIR
\set file :abs_srcdir '/include/every_function.sql'
\set ECHO none
\i :file
\set ECHO all

CREATE ROLE regress_textclf_stranger;
CREATE ROLE regress_textclf_user;
GRANT USAGE ON SCHEMA privileges_every_function TO PUBLIC;
CREATE TABLE docs AS
SELECT (ARRAY['left hand', 'right foot'])[i % 2 + 1] AS doc, (ARRAY['left', 'right'])[i % 2 + 1] AS label, NULL::int AS version
FROM generate_series(1, 120) i;
GRANT ALL ON docs TO PUBLIC;
SELECT version FROM textclf_train('docs', 'doc', 'label', 'm', '{"epochs": 1, "units": 2, "embedding_dim": 2}');

-- what a statement ends with; nothing of it stays
CREATE FUNCTION outcome(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RAISE EXCEPTION USING errcode = 'TXUND';
EXCEPTION
	WHEN SQLSTATE 'TXUND' THEN RETURN 'allowed';
	WHEN OTHERS THEN RETURN sqlstate;
END $$;
CREATE TABLE calls AS SELECT * FROM every_call('m') WHERE takes_model;
INSERT INTO calls SELECT function || ' of a version', takes_model, replace(statement, '''m''', '''m@1''')
FROM calls WHERE statement LIKE '%''m''%' AND function !~ 'train|import|deploy|rename|owner|grant|revoke|refresh';
GRANT SELECT ON calls TO PUBLIC;
SELECT count(*) >= 20 AS many FROM calls;

-- the superuser may do it all, and has the model in memory
SELECT textclf_predict('m', 'left hand'), textclf_predict('m@1', 'left hand');
SELECT function, outcome(statement) FROM calls WHERE outcome(statement) = '42501';
SET ROLE regress_textclf_stranger;
SELECT function, outcome(statement) FROM calls WHERE outcome(statement) <> '42501';

-- after a grant it predicts, and after it is taken back it does not
RESET ROLE;
SELECT textclf_grant('m', 'regress_textclf_user');
SET ROLE regress_textclf_user;
SELECT function, outcome(statement) FROM calls WHERE function ~ '^textclf_(predict|prob|tokens|history)' AND outcome(statement) <> 'allowed';
SELECT function, outcome(statement) FROM calls WHERE function ~ '^textclf_(train|import|export|deploy|drop|rename|set_owner|grant|revoke)\M' AND outcome(statement) <> '42501';
SELECT textclf_predict('m', 'left hand');
RESET ROLE;
SELECT textclf_revoke('m', 'regress_textclf_user');
SET ROLE regress_textclf_user;
SELECT function, outcome(statement) FROM calls WHERE outcome(statement) <> '42501';
RESET ROLE;

-- leave nothing
SET client_min_messages = warning;
SELECT count(textclf_drop(name)) FROM (SELECT DISTINCT name FROM textclf_models) m;
DROP SCHEMA privileges_every_function CASCADE;
DROP ROLE regress_textclf_stranger, regress_textclf_user;
