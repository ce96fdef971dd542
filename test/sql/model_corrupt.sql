-- Model bytes from anyone: truncated, flipped and lying ones are rejected, each
-- with a reason, and cost no memory.
CREATE SCHEMA model_corrupt;
SET search_path = model_corrupt, public;
SET textclf.progress = off;
SET client_min_messages = warning;
CREATE TABLE docs AS
SELECT (ARRAY['yes', 'no'])[i % 2 + 1] || ' word' || i % 3 AS doc, (ARRAY['true', 'false'])[i % 2 + 1] AS label FROM generate_series(1, 120) i;
SELECT version FROM textclf_train('docs', 'doc', 'label', 'm', '{"epochs": 1, "units": 2, "embedding_dim": 2, "storage": "float32"}');
RESET client_min_messages;

CREATE TABLE good AS
SELECT bytes, get_byte(bytes, 0) + 256 * get_byte(bytes, 1) AS header_length FROM textclf_export('m') bytes;
-- the parts of the file, and a file of such parts
CREATE TABLE parts AS
SELECT rtrim(convert_from(substr(bytes, 9, header_length), 'UTF8')) AS header, substr(bytes, 9 + header_length) AS data FROM good;
CREATE FUNCTION file_with_length(n numeric, header bytea, data bytea) RETURNS bytea LANGUAGE sql AS $$
	SELECT string_agg(decode(lpad(to_hex(mod(div(n, 256::numeric ^ i), 256)::int), 2, '0'), 'hex'), '' ORDER BY i) || header || data
	FROM generate_series(0, 7) i
$$;
CREATE FUNCTION file(header text, data bytea) RETURNS bytea LANGUAGE sql AS $$
	SELECT file_with_length(octet_length(header), convert_to(header, 'UTF8'), data)
$$;
-- why a file is not accepted
CREATE FUNCTION refusal(bytes bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	PERFORM textclf_import('imported', bytes);
	PERFORM textclf_drop('imported');
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	detail := regexp_replace(detail, 'near byte \d+', 'near byte N');	-- the header holds a time
	RETURN concat_ws(' ', sqlstate, sqlerrm || '.', detail);
END $$;
CREATE FUNCTION used() RETURNS bigint LANGUAGE sql AS $$ SELECT sum(total_bytes)::bigint FROM pg_backend_memory_contexts $$;

SELECT refusal(bytes) FROM good;
SELECT refusal(textclf_export('m') || '\x00') AS longer, refusal('') AS empty, refusal('\x00') AS byte;
SELECT used() AS before \gset

-- cut off at every offset
SELECT split_part(refusal(substr(bytes, 1, i)), '.', 1) AS refusal, count(*) = max(octet_length(bytes)) AS every
FROM good, generate_series(0, octet_length(bytes) - 1) i GROUP BY 1;
-- each byte flipped, each bit of the header
SELECT count(*) AS accepted FROM good, generate_series(0, octet_length(bytes) - 1) i
WHERE refusal(set_byte(bytes, i, 255 - get_byte(bytes, i))) = 'accepted';
SELECT count(*) AS accepted FROM good, generate_series(0, (header_length + 8) * 8 - 1) i
WHERE refusal(set_bit(bytes, i, 1 - get_bit(bytes, i))) = 'accepted';

-- headers that lie: what is replaced by what; the data is as it was
CREATE TABLE lies (id serial, pattern text, replacement text);
INSERT INTO lies (pattern, replacement) VALUES
	-- not JSON, or not the right kind
	('^.*$', ''), ('^.*$', '[]'), ('^.*$', '{}'), ('^.*$', 'null'), ('}$', ''), ('^', '{'), ('}$', ',"a":{}}'),
	('^.*$', repeat('[', 100000)), ('^.*$', '{"__metadata__":' || repeat('{"a":', 1500)),
	-- metadata
	('"__metadata__":{', '"__metadata__":[],"x":{'), ('"textclf.format":"1"', '"textclf.format":"2"'),
	('"textclf.format":"1"', '"textclf.format":1'), ('"textclf.config":"', '"textclf.conf":"'),
	('"textclf.tokenizer_version":"2"', '"textclf.tokenizer_version":"999"'),
	('"textclf.tokenizer_version":"2"', '"textclf.tokenizer_version":"-1"'),
	('"textclf.icu_version":"[^"]*"', '"textclf.icu_version":"%s%n"'),
	('"textclf.icu_version":"[^"]*"', '"textclf.icu_version":"' || repeat('7', 1000) || '"'),
	-- configuration: unknown, missing, out of range, of the wrong type, other than the tensors
	('\\"units\\":2', '\\"units\\":0'), ('\\"units\\":2', '\\"units\\":-2'), ('\\"units\\":2', '\\"units\\":4096'),
	('\\"units\\":2', '\\"units\\":4294967298'), ('\\"units\\":2', '\\"units\\":\\"2\\"'), ('\\"units\\":2', '\\"units\\":1e300'),
	('\\"units\\":2,', ''), ('\\"units\\":2', '\\"units\\":2,\\"units\\":2'), ('\\"units\\":2', '\\"units\\":2,\\"unknown\\":2'),
	('\\"layers\\":1', '\\"layers\\":8'), ('\\"layers\\":1', '\\"layers\\":2147483647'), ('\\"architecture\\":\\"hybrid', '\\"architecture\\":\\"gpt'),
	('\\"bidirectional\\":true', '\\"bidirectional\\":false'), ('\\"maxlen\\":\d+', '\\"maxlen\\":0'), ('\\"maxlen\\":\d+', '\\"maxlen\\":2147483647'),
	('\\"num_words\\":\d+', '\\"num_words\\":3'),
	-- tensors: type, shape, place
	('"F32"', '"F16"'), ('"shape":\[2,8\]', '"shape":[8,2]'), ('"shape":\[2,8\]', '"shape":[16]'), ('"shape":\[2,8\]', '"shape":[2,8,1]'),
	('"shape":\[2,8\]', '"shape":[-2,-8]'), ('"shape":\[2,8\]', '"shape":[4611686018427387904,4]'), ('"shape":\[2,8\]', '"shape":[2.0,8.0]'),
	('"shape":\[2,8\]', '"shape":"2,8"'), ('"data_offsets":\[0,', '"data_offsets":[1,'), ('"data_offsets":\[0,', '"data_offsets":[-1,'),
	('"data_offsets":\[0,\d+\]', '"data_offsets":[0,9223372036854775807]'), ('"data_offsets":\[0,\d+\]', '"data_offsets":[0]'),
	('"data_offsets":\[0,\d+\]', '"data_offsets":[18446744073709551615,0]'),
	('"dense.bias"', '"dense.biased"'), ('"dense.bias"', '"dense.kernel"'), ('"embedding.weight":\{[^}]*\},', ''),
	-- vocabulary and labels
	('"labels.offsets":\{"dtype":"U32","shape":\[3\]', '"labels.offsets":{"dtype":"U32","shape":[4]'),
	('"labels.offsets":\{"dtype":"U32","shape":\[3\]', '"labels.offsets":{"dtype":"U32","shape":[0]'),
	('"labels.offsets":\{"dtype":"U32","shape":\[3\]', '"labels.offsets":{"dtype":"U32","shape":[4294967295]'),
	('"vocabulary.bytes":\{"dtype":"U8","shape":\[\d+\]', '"vocabulary.bytes":{"dtype":"U8","shape":[0]'),
	('"vocabulary.bytes"', '"labels.bytes"'),
	-- the linear branch: left out, in a model without one, of another type, with other n-grams
	('"wide.hashes":\{[^}]*\},', ''), ('"wide.kernel":\{[^}]*\},', ''), ('"fusion.scale":\{[^}]*\},', ''),
	('\\"architecture\\":\\"hybrid', '\\"architecture\\":\\"bilstm'), ('\\"architecture\\":\\"hybrid', '\\"architecture\\":\\"linear'),
	('"dtype":"F16"', '"dtype":"F32"'), ('("wide.hashes":\{"dtype":"U32","shape":\[)\d+', '\10'),
	('("wide.hashes":\{"dtype":"U32","shape":\[)\d+', '\14611686018427387904'), ('("wide.idf":\{"dtype":"F32","shape":\[)\d+', '\11'),
	('("wide.kernel":\{"dtype":"F16","shape":\[)(\d+),2', '\12,\2'), ('("fusion.scale":\{"dtype":"F32","shape":\[)2', '\13');
SELECT id, left(replacement, 40) AS lie, substr(refusal(file(regexp_replace(header, pattern, replacement), data)), 1, 160) AS refusal
FROM parts, lies WHERE regexp_replace(header, pattern, replacement) <> header ORDER BY id;
SELECT id AS not_applicable FROM parts, lies WHERE regexp_replace(header, pattern, replacement) = header;

-- lengths of the header that lie
SELECT n, refusal(file_with_length(n, convert_to(header, 'UTF8'), data))
FROM parts, unnest(ARRAY[0, 1, 1048577, 2147483647, 4294967295, 9223372036854775807, 18446744073709551615]) n;

-- data that lies: no number, not finite, text that is not UTF-8, twice the same label
CREATE FUNCTION tensor(name text) RETURNS int LANGUAGE sql AS $$ SELECT (header::jsonb #>> ARRAY[name, 'data_offsets', '0'])::int FROM parts $$;
SELECT refusal(file(header, overlay(data PLACING '\x0000c07f' FROM tensor('dense.kernel') + 1))) AS not_a_number,
	refusal(file(header, overlay(data PLACING '\x0000807f' FROM tensor('embedding.weight') + 1))) AS infinite
FROM parts;
SELECT refusal(file(header, overlay(data PLACING '\xff' FROM tensor('labels.bytes') + 1))) AS not_utf8,
	refusal(file(header, overlay(data PLACING '\x01' FROM tensor('labels.offsets') + 1))) AS first_offset,
	refusal(file(header, overlay(data PLACING '\xffffffff' FROM tensor('labels.offsets') + 5))) AS second_offset,
	refusal(file(header, overlay(data PLACING '\x00000000' FROM tensor('labels.offsets') + 9))) AS last_offset,
	refusal(file(header, overlay(data PLACING '\x00000000' FROM tensor('vocabulary.offsets') + 5))) AS empty_word
FROM parts;
SELECT refusal(file(header, overlay(data PLACING '\xffffffff' FROM tensor('wide.hashes') + 1))) AS n_grams_out_of_order,
	refusal(file(header, overlay(data PLACING '\x0000c07f' FROM tensor('wide.idf') + 1))) AS idf_not_a_number,
	refusal(file(header, overlay(data PLACING '\x007c' FROM tensor('wide.kernel') + 1))) AS kernel_infinite,
	refusal(file(header, overlay(data PLACING '\x0000c07f' FROM tensor('wide.bias') + 1))) AS bias_not_a_number,
	refusal(file(header, overlay(data PLACING '\x0000807f' FROM tensor('fusion.scale') + 1))) AS scale_infinite
FROM parts;
-- a file that only its digest gives away
SELECT refusal(file(header, overlay(data PLACING '\x00000000' FROM tensor('dense.bias') + 1))) FROM parts;
SELECT refusal(file(regexp_replace(header, '"textclf.digest":"(.)', '"textclf.digest":"A'), data)) FROM parts;

-- What a forger writes with a right digest is a model; what it says of its training is not believed.
CREATE FUNCTION with_digest(bytes bytea) RETURNS bytea LANGUAGE sql AS $$
	SELECT overlay(bytes PLACING convert_to(encode(sha256(overlay(bytes PLACING convert_to(repeat('0', 64), 'UTF8') FROM 44)), 'hex'), 'UTF8') FROM 44)
$$;
SELECT with_digest(bytes) = bytes AS same FROM good;
SELECT refusal(with_digest(file(header, overlay(data PLACING '\x00000000' FROM tensor('dense.bias') + 1)))) FROM parts;
-- a label with a byte 0 in it, which cannot become a text
SELECT textclf_import('zero', with_digest(file(header, overlay(data PLACING '\x00' FROM tensor('labels.bytes') + 1)))) FROM parts;
CREATE TABLE claims (info text);
INSERT INTO claims VALUES ('not JSON'), ('{}'), ('[]'), ('1'), ('{"rows": "many"}'), ('{"rows": -1, "accuracy": "high"}'), ('{"rows": 1e300, "macro_f1": 1e300}'),
	('{"rows": 1.5, "source": 3, "history": {}}'), ('{"history": [1, null, {"loss": "x"}, []]}'), ('{"class_rows": [1, 2, 3, 4, 5]}'), ('{"class_rows": "x", "options": 3, "classes": -1}'),
	('{"source": "\u0000"}'), (repeat('[', 10000)), ('{"rows": 7, "source": "mine", "history": [{"loss": 0.5}]}');
DO $$
DECLARE
	claim text;
	m record;
BEGIN
	FOR claim IN SELECT info FROM claims LOOP
		PERFORM textclf_import('claimed', with_digest(file(
			overlay(header PLACING '"textclf.info":' || to_json(claim)::text || '}' FROM position('"textclf.info"' IN header)
				FOR position('},"embedding' IN header) - position('"textclf.info"' IN header) + 1), data)))
		FROM parts;
		SELECT * INTO m FROM textclf_models WHERE name = 'claimed';
		RAISE INFO '%: source %, rows %, classes %, macro_f1 %, history %', left(claim, 70), m.source, m.rows, m.classes, m.macro_f1,
			(SELECT array_agg(loss) FROM textclf_history('claimed'));
		PERFORM textclf_drop('claimed');
	END LOOP;
END $$;

-- nor is a judgement that cannot be: classes that are not there, cells out of order, counts that overflow, bins that lie
CREATE FUNCTION claimed_rows(claim text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	rows text;
BEGIN
	PERFORM textclf_import('claimed', with_digest(file(
		overlay(header PLACING '"textclf.info":' || to_json(claim)::text || '}' FROM position('"textclf.info"' IN header)
			FOR position('},"embedding' IN header) - position('"textclf.info"' IN header) + 1), data)))
	FROM parts;
	SELECT sum(n) INTO rows FROM textclf_confusion_matrix('claimed');
	PERFORM textclf_drop('claimed');
	RETURN rows;
EXCEPTION WHEN object_not_in_prerequisite_state THEN
	RETURN 'not known';
END $$;
SELECT confusion, claimed_rows('{"confusion": ' || confusion || ', "reliability": [1, 2, 3]}')
FROM (VALUES ('[0,0,3, 0,1,4, 1,1,5]'), ('[]'), ('[0,0]'), ('[0,2,1]'), ('[2,0,1]'), ('[0,-1,1]'), ('[0,0,0]'), ('[0,0,1.5]'), ('[0,1,1, 0,0,1]'), ('[0,0,1, 0,0,1]'),
	('[0,0,9007199254740992]'), ('[0,0,9007199254740992, 0,1,1]'), ('[0,0,"x"]'), ('[[0,0,1]]'), ('{}'), ('[0,4294967296,1]')) c (confusion);

-- nothing of it is left in memory
SELECT used() - :before < 2000000 AS steady;
SELECT name, version FROM textclf_models;

-- leave nothing
SET client_min_messages = warning;
SELECT count(textclf_drop(name)) FROM (SELECT DISTINCT name FROM textclf_models) m;
DROP SCHEMA model_corrupt CASCADE;
