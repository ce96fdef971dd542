-- A model leaves as one file and comes back.
CREATE SCHEMA transfer;
SET search_path = transfer, public;
SET textclf.progress = off;
CREATE TABLE docs AS
SELECT (ARRAY['bread and butter', 'nuts and bolts'])[i % 2 + 1] || ' ' || i % 7 AS doc, (ARRAY['food', 'tools'])[i % 2 + 1] AS label
FROM generate_series(1, 120) i;
INSERT INTO docs VALUES (NULL, 'food');
SELECT version FROM textclf_train('docs', 'doc', 'label', 'm', '{"epochs": 3, "units": 8, "embedding_dim": 8}');

-- one version in, one version out
SELECT textclf_import('copy', textclf_export('m'));
SELECT count(DISTINCT textclf_probability(m, doc, label)) AS different
FROM docs, (VALUES ('m'), ('copy')) v(m) WHERE doc IS NOT NULL
GROUP BY doc, label HAVING count(DISTINCT textclf_probability(m, doc, label)) > 1;
SELECT textclf_export('copy') = textclf_export('m') AS same_bytes, textclf_export('m@1') = textclf_export('m') AS same_version;
-- with everything that is remembered
SELECT count(DISTINCT (source, text_column, label_column, classes, rows, accuracy, macro_f1, deep_accuracy, wide_accuracy, calibration_error, parameters, bytes, options)) AS kinds FROM textclf_models;
SELECT source, rows, classes FROM textclf_models WHERE name = 'copy';
SELECT count(*) FROM textclf_history('copy');
SELECT * FROM textclf_history('copy') EXCEPT SELECT * FROM textclf_history('m');

-- a later version waits for its deployment
SELECT textclf_import('copy', textclf_export('m'));
SELECT version, deployed FROM textclf_models WHERE name = 'copy' ORDER BY version;

-- The file is in the format safetensors: length of the header, JSON, tensors.
CREATE VIEW file AS SELECT textclf_export('m') AS bytes;
CREATE VIEW header AS
SELECT convert_from(substr(bytes, 9, (SELECT sum(get_byte(bytes, i) * 256 ^ i)::int FROM generate_series(0, 7) i)), 'UTF8')::jsonb AS header FROM file;
SELECT k FROM header, jsonb_object_keys(header -> '__metadata__') k ORDER BY k COLLATE "C";
SELECT count(*) FROM header, jsonb_object_keys(header) k WHERE k LIKE '%bias%';

-- names and nulls
SELECT textclf_import('m@3', textclf_export('m'));
SELECT textclf_import('', textclf_export('m'));
SELECT textclf_import('m', NULL) IS NULL, textclf_export(NULL) IS NULL;
SELECT textclf_export('no such model');
SELECT textclf_export('m@9');
SET textclf.max_model_size = '64kB';
SELECT textclf_import('large', decode(repeat('00', 70000), 'hex'));
RESET textclf.max_model_size;

-- A stored model that was damaged is an error that says so, unless it is in
-- memory already: this session's, or what sessions share.
SELECT version FROM textclf_train('docs', 'doc', 'label', 'damaged', '{"epochs": 1, "units": 8, "embedding_dim": 8, "seed": 1}');
UPDATE textclf_version SET bytes = set_byte(bytes, octet_length(bytes) - 200, 255 - get_byte(bytes, octet_length(bytes) - 200)) WHERE model = 'damaged' AND version = 1;
SELECT textclf_predict('damaged', 'bread');
SELECT textclf_export('damaged');
UPDATE textclf_version SET bytes = '' WHERE model = 'damaged' AND version = 1;
SELECT textclf_predict('damaged', 'bread');
SELECT textclf_predict('copy@2', 'bread') IS NOT NULL AS whole;

-- leave nothing
SET client_min_messages = warning;
SELECT count(textclf_drop(name)) FROM (SELECT DISTINCT name FROM textclf_models) m;
DROP SCHEMA transfer CASCADE;
