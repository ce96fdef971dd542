-- A trigger fills in labels.
CREATE SCHEMA trigger_classify;
SET search_path = trigger_classify, public;
SET textclf.progress = off;
CREATE TABLE questions AS
SELECT (ARRAY['how much is it', 'where is my order'])[i % 2 + 1] || ' ' || i % 7 AS body, (ARRAY['price', 'delivery'])[i % 2 + 1] AS topic
FROM generate_series(1, 120) i;
SELECT version FROM textclf_train('questions', 'body', 'topic', 'q', '{"epochs": 30, "units": 8, "embedding_dim": 8, "learning_rate": 0.02}');

CREATE TABLE inbox (id serial, body text, topic text, p real, v int);
CREATE TRIGGER classify BEFORE INSERT OR UPDATE OF body ON inbox
	FOR EACH ROW EXECUTE FUNCTION textclf_classify('q', 'body', 'topic', 'p', 'v');
INSERT INTO inbox (body) VALUES ('how much is it'), ('where is my parcel'), (NULL), ('');
SELECT id, body, CASE body WHEN '' THEN '(any)' ELSE topic END AS topic, p IS NULL AS no_p, v FROM inbox ORDER BY id;
-- the same as a SELECT gives, bit for bit
SELECT bool_and(topic = textclf_predict('q', body)) AND bool_and(p = textclf_probability('q', body, topic)) AS same FROM inbox WHERE body IS NOT NULL;
UPDATE inbox SET body = 'where is my order' WHERE id = 1 RETURNING topic;
UPDATE inbox SET topic = 'corrected by hand' WHERE id = 1 RETURNING topic;
UPDATE inbox SET body = NULL WHERE id = 1 RETURNING topic, p, v;
COPY inbox (body) FROM stdin;
how much is it now
\.
SELECT body, topic FROM inbox ORDER BY id DESC LIMIT 1;

-- columns of other types; a missing column; a threshold
CREATE TYPE topic AS ENUM ('price', 'delivery');
CREATE DOMAIN share AS numeric(6, 4) CHECK (VALUE BETWEEN 0 AND 1);
CREATE TABLE typed (body varchar(100), topic topic, p share, p8 float8, v text);
CREATE TRIGGER a BEFORE INSERT ON typed FOR EACH ROW EXECUTE FUNCTION textclf_classify('q@1', 'body', 'topic', 'p', 'v', '0');
CREATE TRIGGER b BEFORE INSERT ON typed FOR EACH ROW EXECUTE FUNCTION textclf_classify('q', 'body', 'topic', 'p8', '', '1');
INSERT INTO typed VALUES ('how much is it');
SELECT body, topic IS NULL AS unsure, p > 0.5 AS p, p8 = textclf_probability('q', 'how much is it', 'price')::float8 AS p8, v FROM typed;

-- what is stored does not depend on how many digits a session wants to see
CREATE DOMAIN double AS float8;
CREATE TABLE digits (body text, topic text, p real, p8 double);
CREATE TRIGGER a BEFORE INSERT ON digits FOR EACH ROW EXECUTE FUNCTION textclf_classify('q', 'body', 'topic', 'p');
CREATE TRIGGER b BEFORE INSERT ON digits FOR EACH ROW EXECUTE FUNCTION textclf_classify('q', 'body', 'topic', 'p8');
SET extra_float_digits = -15;
INSERT INTO digits VALUES ('how much is my parcel');
RESET extra_float_digits;
SELECT p = textclf_probability('q', body, topic) AS same, p8 = textclf_probability('q', body, topic)::float8 AS same8 FROM digits;

-- a domain that refuses NULL is an error, as it is in any statement
CREATE DOMAIN certain AS text NOT NULL;
CREATE DOMAIN known AS real CHECK (VALUE IS NOT NULL);
CREATE TABLE strict (body text, topic certain DEFAULT '', p known DEFAULT 0);
CREATE TRIGGER classify BEFORE INSERT ON strict FOR EACH ROW EXECUTE FUNCTION textclf_classify('q', 'body', 'topic', 'p', '', '1');
\set VERBOSITY terse
INSERT INTO strict (body) VALUES ('how much is it');
ALTER TABLE strict ALTER topic TYPE text;
INSERT INTO strict (body) VALUES (NULL);
INSERT INTO strict (body) VALUES ('how much is it') RETURNING topic, p > 0.5 AS p;
\set VERBOSITY default

-- a partitioned table
CREATE TABLE parted (body text, topic text) PARTITION BY HASH (body);
CREATE TABLE parted_0 PARTITION OF parted FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CREATE TRIGGER classify BEFORE INSERT ON parted FOR EACH ROW EXECUTE FUNCTION textclf_classify('q', 'body', 'topic');
INSERT INTO parted VALUES ('where is my parcel') RETURNING topic;

-- errors name trigger and model
CREATE TABLE wrong (body text, topic text, n int, made text GENERATED ALWAYS AS (body || n) STORED);
CREATE FUNCTION try_trigger(definition text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	context text;
BEGIN
	EXECUTE 'CREATE TRIGGER t ' || definition;
	BEGIN
		INSERT INTO wrong VALUES ('how much is it');
		DELETE FROM wrong;
		RAISE INFO 'no error';
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
		RAISE INFO '% (%)', sqlerrm, split_part(context, E'\n', 1);
	END;
	DROP TRIGGER t ON wrong;
END $$;
SELECT try_trigger(t) FROM unnest(ARRAY[
	$$BEFORE INSERT ON wrong FOR EACH ROW EXECUTE FUNCTION textclf_classify('gone', 'body', 'topic')$$,
	$$BEFORE INSERT ON wrong FOR EACH ROW EXECUTE FUNCTION textclf_classify('q@7', 'body', 'topic')$$,
	$$BEFORE INSERT ON wrong FOR EACH ROW EXECUTE FUNCTION textclf_classify('q', 'txet', 'topic')$$,
	$$BEFORE INSERT ON wrong FOR EACH ROW EXECUTE FUNCTION textclf_classify('q', 'body', 'cipot')$$,
	$$BEFORE INSERT ON wrong FOR EACH ROW EXECUTE FUNCTION textclf_classify('q', 'n', 'topic')$$,
	$$BEFORE INSERT ON wrong FOR EACH ROW EXECUTE FUNCTION textclf_classify('q', 'made', 'topic')$$,
	$$BEFORE INSERT ON wrong FOR EACH ROW EXECUTE FUNCTION textclf_classify('q', 'body', 'made')$$,
	$$BEFORE INSERT ON wrong FOR EACH ROW EXECUTE FUNCTION textclf_classify('q', 'body', 'n')$$,
	$$BEFORE INSERT ON wrong FOR EACH ROW EXECUTE FUNCTION textclf_classify('q', 'body', 'body')$$,
	$$BEFORE INSERT ON wrong FOR EACH ROW EXECUTE FUNCTION textclf_classify('q', 'body', 'topic', '', 'topic')$$,
	$$BEFORE INSERT ON wrong FOR EACH ROW EXECUTE FUNCTION textclf_classify('q', 'body', 'topic', '', '', 'high')$$,
	$$BEFORE INSERT ON wrong FOR EACH ROW EXECUTE FUNCTION textclf_classify('q', 'body', 'topic', '', '', '60')$$,
	$$BEFORE INSERT ON wrong FOR EACH ROW EXECUTE FUNCTION textclf_classify('q', 'body', 'topic', '', '', 'NaN')$$,
	$$BEFORE INSERT ON wrong FOR EACH ROW EXECUTE FUNCTION textclf_classify('q', 'body')$$,
	$$BEFORE INSERT ON wrong FOR EACH ROW EXECUTE FUNCTION textclf_classify()$$,
	$$AFTER INSERT ON wrong FOR EACH ROW EXECUTE FUNCTION textclf_classify('q', 'body', 'topic')$$,
	$$BEFORE INSERT ON wrong FOR EACH STATEMENT EXECUTE FUNCTION textclf_classify('q', 'body', 'topic')$$]) t;
SELECT textclf_classify();
CREATE TRIGGER d BEFORE DELETE ON typed FOR EACH ROW EXECUTE FUNCTION textclf_classify('q', 'body', 'topic');
DELETE FROM typed;

-- leave nothing
SET client_min_messages = warning;
SELECT count(textclf_drop(name)) FROM (SELECT DISTINCT name FROM textclf_models) m;
DROP SCHEMA trigger_classify CASCADE;
