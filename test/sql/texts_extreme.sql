-- Any text has an answer, in training and in prediction.
CREATE SCHEMA texts_extreme;
SET search_path = texts_extreme, public;
SET textclf.progress = off;
CREATE TABLE docs AS
SELECT (ARRAY['apple pear', '苹果和梨子', 'تفاح وكمثرى', '🍎🍐'])[i % 4 + 1] || ' ' || i % 7 AS doc,
	(ARRAY['latin', '漢字', 'عربي', '😀'])[i % 4 + 1] AS label
FROM generate_series(1, 200) i;
SELECT rows, classes FROM textclf_train('docs', 'doc', 'label', 'm', '{"epochs": 30, "units": 8, "embedding_dim": 8, "learning_rate": 0.02}');
SELECT textclf_predict('m', ARRAY['apple', '梨子', 'تفاح', '🍎']);

CREATE TABLE texts (name text, doc text);
INSERT INTO texts VALUES
	('empty', ''), ('space', ' '), ('spaces', repeat(' ', 100000)), ('newlines', repeat(E'\n\r\t', 1000)),
	('one letter', 'a'), ('punctuation', '!?.,;:'), ('control characters', E'\x01\x02\x1f\x7f'),
	('emoji', repeat('😀👩‍👩‍👧‍👦🏴󠁧󠁢󠁥󠁮󠁧󠁿', 1000)), ('combining', 'a' || repeat(E'\u0301', 10000)),
	('no breaks', repeat('x', 1000000)), ('many words', repeat('apple pear ', 300000)),
	('han', repeat('苹果', 100000)), ('right to left', E'\u202eabc\u202c \u200f\u200e'), ('zero width', repeat(E'\u200b\u200d\ufeff', 100)),
	('ligature that grows', repeat(E'\ufdfa', 10000)), ('last code point', E'\U0010FFFF'), ('not a character', E'\ufffe\uffff'),
	('private use', E'\ue000'), ('sharp s and dotted i', 'ß ẞ İ ı ſ'), ('numbers', repeat('1234567890', 1000)), ('url', 'https://example.org/?a=b&c=d#e');
SELECT name, octet_length(doc) AS bytes, textclf_predict('m', doc) IN ('latin', '漢字', 'عربي', '😀') AS answered,
	(SELECT round(sum(probability)::numeric, 3) FROM textclf_predict_proba('m', doc)) AS sum,
	textclf_predict('m', ARRAY[doc]) = ARRAY[textclf_predict('m', doc)] AS same
FROM texts ORDER BY name COLLATE "C";
SELECT bool_and(token IS NOT NULL) FROM texts, textclf_tokens('m', doc);

-- the same text in two forms of Unicode, and in capitals, is the same text
SELECT textclf_probability('m', E'caf\u00e9', 'latin') = textclf_probability('m', E'cafe\u0301', 'latin') AS forms,
	textclf_probability('m', 'APPLE', 'latin') = textclf_probability('m', 'apple', 'latin') AS cases,
	textclf_probability('m', 'ａｐｐｌｅ', 'latin') = textclf_probability('m', 'apple', 'latin') AS widths;

-- they can be learned from as well, with labels that are hardly ones
INSERT INTO texts SELECT 'twin of ' || name, doc FROM texts;
SELECT rows, skipped, classes FROM textclf_train('texts', 'doc', 'name', 'extremes', '{"epochs": 1, "units": 4, "embedding_dim": 4}');
CREATE TABLE labels AS SELECT doc, CASE i % 4 WHEN 0 THEN ' ' WHEN 1 THEN repeat('long', 1000) WHEN 2 THEN E'line\nbreak' ELSE '"quoted\' END AS label
FROM (SELECT 'doc ' || i % 4 AS doc, i FROM generate_series(1, 120) i) d;
SELECT classes FROM textclf_train('labels', 'doc', 'label', 'labels', '{"epochs": 1, "units": 4}');
SELECT label = textclf_predict('labels', doc) OR true AS answered, length(label) FROM textclf_predict_proba('labels', 'doc 1'), LATERAL (SELECT 'doc 1' AS doc) d ORDER BY length(label);
-- a label that is too long for the engine
INSERT INTO labels SELECT 'doc', repeat('y', 20000) FROM generate_series(1, 10);
SELECT classes FROM textclf_train('labels', 'doc', 'label', 'labels', '{"epochs": 1, "units": 4}');

-- memory does not grow with the number of rows
CREATE FUNCTION used() RETURNS bigint LANGUAGE sql AS $$ SELECT sum(total_bytes)::bigint FROM pg_backend_memory_contexts $$;
SELECT count(textclf_predict('m', 'apple ' || i)) FROM generate_series(1, 1000) i;
SELECT used() AS before \gset
SELECT count(textclf_predict('m', 'apple ' || i)) FROM generate_series(1, 20000) i;
SELECT used() - :before < 200000 AS steady;

-- leave nothing
SET client_min_messages = warning;
SELECT count(textclf_drop(name)) FROM (SELECT DISTINCT name FROM textclf_models) m;
DROP SCHEMA texts_extreme CASCADE;
