-- What is masked leaves nothing in a model, and is masked in predicting as well.
CREATE SCHEMA mask;
SET search_path = mask, public;
SET textclf.progress = off;
SET client_min_messages = warning;
CREATE TABLE docs AS
SELECT i, (ARRAY['refund', 'crash'])[i % 2 + 1] || CASE i % 5
		WHEN 0 THEN format(' write to user%s.name@host%s.example', i, i)
		WHEN 1 THEN format(' see https://joe:pw%s@www.site%s.example/path%s/x?q=%s', i, i, i, i)
		WHEN 2 THEN format(' call +49 170 %s', 1000000 + i * 37)
		WHEN 3 THEN ' card 4111 1111 1111 1111 or 378282246310005'
		ELSE format(' order no. %s of secret-%s, %s.50 paid', i, md5(i::text), i) END AS doc,
	(ARRAY['money', 'bug'])[i % 2 + 1] AS label
FROM generate_series(1, 300) i;
CREATE FUNCTION learn(model text, options jsonb) RETURNS void LANGUAGE sql AS
$$SELECT textclf_train('docs', 'doc', 'label', model, '{"epochs": 1, "units": 4, "embedding_dim": 4, "min_rows": 1, "char_ngrams": true}' || options)$$;
SELECT learn('all', '{"mask": true, "mask_pattern": "secret-\\w+"}');
SELECT learn('keras', '{"mask": ["email", "url", "number", "card", "phone"], "mask_pattern": "secret-\\w+", "architecture": "lstm", "tokenizer": "keras"}');
SELECT learn('linear', '{"mask": "email", "architecture": "linear"}');
SELECT learn('none', '{"mask": false, "mask_pattern": null}');
RESET client_min_messages;
SELECT name, options -> 'mask' AS mask, options -> 'mask_pattern' AS pattern FROM textclf_models ORDER BY name;

-- what a model remembers: placeholders, with the rows that had one
SELECT token, rows FROM textclf_audit('all') WHERE token LIKE '<%>' ORDER BY token;
SELECT string_agg(token, ' ' ORDER BY token COLLATE "C") FROM textclf_audit('keras');
SELECT model, count(*) FILTER (WHERE token ~ '\d') AS digits, count(*) FILTER (WHERE token ~ 'user|host|site|path|secret') AS words
FROM unnest(ARRAY['all', 'keras', 'linear', 'none']) model, textclf_audit(model) GROUP BY model ORDER BY model;

-- tokens, offsets of the explanation, arrays
SELECT string_agg(token, ' ' ORDER BY position) FROM textclf_tokens('all', 'REFUND me@x.example, +1 555 123 4567: 12 www.x.example 4111-1111-1111-1111 secret-x');
SELECT token, substr(doc, start_offset + 1, end_offset - start_offset) AS written
FROM (VALUES ('Mueller refund: user7.name@host7.example!')) AS d (doc), textclf_explain('all', doc) ORDER BY position;
SELECT model, count(DISTINCT textclf_probability(model, 'refund ' || mail, 'money')) AS answers,
	bool_and(textclf_probability(model, 'refund ' || mail, 'money') = textclf_probability(model, 'refund m@x.example', 'money')) AS same
FROM unnest(ARRAY['all', 'keras', 'linear']) model, (SELECT format('user%s.name@host%s.example', i, i) AS mail FROM generate_series(1, 300, 5) i) m GROUP BY model ORDER BY model;
SELECT textclf_predict('all', ARRAY['refund a@b.example', NULL, 'crash 12']) = ARRAY[textclf_predict('all', 'refund c@d.example'), NULL, textclf_predict('all', 'crash 34')] AS same;

-- it travels with the model, and with what is learned from it
SELECT textclf_import('copy', textclf_export('all'));
SELECT string_agg(token, ' ' ORDER BY position) FROM textclf_tokens('copy', 'a@b.example secret-x');
SET client_min_messages = warning;
SELECT learn('warm', '{"warm_start": "all"}');
SELECT learn('bare', '{"warm_start": "all", "mask": [], "mask_pattern": ""}');
RESET client_min_messages;
SELECT name, options -> 'mask' AS mask, options -> 'mask_pattern' AS pattern FROM textclf_models WHERE name IN ('copy', 'warm', 'bare') ORDER BY name;

-- words and n-grams of single rows
SET client_min_messages = warning;
CREATE TABLE many AS SELECT doc || ' word' || i % 7 AS doc, label FROM docs, generate_series(1, 5) WHERE i % 5 <> 0;
INSERT INTO many SELECT 'planted' || i || ' refund', 'money' FROM generate_series(1, 50) i;
SELECT model FROM textclf_train('many', 'doc', 'label', 'many', '{"epochs": 1, "units": 4, "embedding_dim": 4}');
SELECT count(*) FILTER (WHERE token LIKE 'planted%') AS planted, min(rows) > 1 AS shared FROM textclf_audit('many');
RESET client_min_messages;

-- what cannot be
\set VERBOSITY terse
SELECT learn('x', '{"mask": "mail"}');
SELECT learn('x', '{"mask": ["email", 3]}');
SELECT learn('x', '{"mask": [["email"]]}');
SELECT learn('x', '{"mask": {"email": true}}');
SELECT learn('x', '{"mask": 3}');
SELECT learn('x', '{"mask_pattern": 3}');
SELECT learn('x', jsonb_build_object('mask_pattern', repeat('x', 1001)));
\set VERBOSITY default
SELECT textclf_train('docs', 'doc', 'label', 'x', '{"mask_pattern": "a(b"}');
SELECT textclf_train_background('docs', 'doc', 'label', 'x', '{"mask_pattern": "[z-a]"}');
-- a pattern that takes for ever ends, in training and predicting
INSERT INTO docs VALUES (0, repeat('a', 50000), 'bug');
SELECT textclf_train('docs', 'doc', 'label', 'x', '{"mask_pattern": "(a+)+$b"}');
SELECT learn('slow', '{"mask_pattern": "(z+)+$b"}');
SELECT textclf_predict('slow', repeat('z', 50000));
SELECT textclf_predict('slow', 'refund') IS NOT NULL AS predicts;

SET client_min_messages = warning;
SELECT count(textclf_drop(name)) FROM (SELECT DISTINCT name FROM textclf_models) m;
DROP SCHEMA mask CASCADE;
