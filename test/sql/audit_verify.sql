-- What a model remembers, and whether the stored models are whole.
CREATE SCHEMA audit_verify;
SET search_path = audit_verify, public;
SET textclf.progress = off;
SET client_min_messages = warning;
CREATE TABLE docs AS
SELECT i, (ARRAY['Hot hot day', 'cold night'])[i % 2 + 1] || CASE WHEN i % 3 = 0 THEN ' rain' ELSE '' END || ' id' || i AS doc, (ARRAY['hot', 'cold'])[i % 2 + 1] AS label
FROM generate_series(1, 120) i;
SELECT version FROM textclf_train('docs', 'doc', 'label', 'm', '{"architecture": "linear", "min_rows": 2}');
SELECT version FROM textclf_train('docs', 'doc', 'label', 'm', '{"epochs": 1, "units": 2, "embedding_dim": 2, "min_rows": 1, "validation_split": 0}');
SELECT version FROM textclf_train('docs', 'doc', 'label', 'n', '{"epochs": 1, "units": 2, "embedding_dim": 2, "min_rows": 1}');
RESET client_min_messages;

-- tokens with the number of rows, held-out ones among them, that hold them
SELECT * FROM textclf_audit('m@1') ORDER BY rows DESC, token;
SELECT count(*), sum(rows), max(rows) FROM textclf_audit('m');
SELECT count(*) AS differ FROM textclf_audit('m') a
WHERE rows <> (SELECT count(*) FROM docs WHERE token IN (SELECT t.token FROM textclf_tokens('m', doc) t));
SELECT count(*) FROM textclf_audit(NULL);
SELECT * FROM textclf_audit('none');
-- the counts travel with the model
SELECT textclf_import('carried', textclf_export('m@1'));
SELECT count(*) AS differ FROM textclf_audit('m@1') FULL JOIN textclf_audit('carried') c USING (token, rows) WHERE token IS NULL OR c IS NULL;

-- only the owner may see them
CREATE ROLE regress_textclf_auditor;
GRANT USAGE ON SCHEMA audit_verify TO regress_textclf_auditor;
SELECT textclf_grant('m', 'regress_textclf_auditor');
SET ROLE regress_textclf_auditor;
SELECT * FROM textclf_audit('m');
SELECT * FROM textclf_audit('n');
RESET ROLE;

-- all are whole
SELECT * FROM textclf_verify();
SET ROLE regress_textclf_auditor;
SELECT * FROM textclf_verify();
RESET ROLE;

-- bytes that were changed, cut off, replaced by another model, by something else with the right digest; the others are looked at all the same
UPDATE textclf_version SET bytes = set_byte(bytes, octet_length(bytes) - 1, 255 - get_byte(bytes, octet_length(bytes) - 1)) WHERE model = 'm' AND version = 1;
UPDATE textclf_version SET bytes = substr(bytes, 1, 1000) WHERE model = 'carried';
INSERT INTO textclf_version (model, version, digest, info, bytes) SELECT 'm', 3, digest, info, (SELECT bytes FROM textclf_version WHERE model = 'n') FROM textclf_version WHERE model = 'm' AND version = 2;
INSERT INTO textclf_version (model, version, digest, info, bytes) SELECT 'm', 4, sha256(forged), '{}', overlay(forged PLACING convert_to(encode(sha256(forged), 'hex'), 'UTF8') FROM 44)
FROM (SELECT overlay(overlay(bytes PLACING convert_to('"textclf.format":"9"', 'UTF8') FROM position('"textclf.format":"1"'::bytea IN bytes)) PLACING convert_to(repeat('0', 64), 'UTF8') FROM 44) AS forged
	FROM textclf_version WHERE model = 'n') f;
SELECT * FROM textclf_verify();
SET ROLE regress_textclf_auditor;
SELECT model, version, ok FROM textclf_verify();
RESET ROLE;
SELECT * FROM textclf_audit('m@1');
-- the session is as it was
SELECT current_user = session_user AS same_user, textclf_predict('n', 'hot hot day') IS NOT NULL AS predicts;
BEGIN;
SELECT count(*) FILTER (WHERE NOT ok) AS damaged FROM textclf_verify();
SELECT textclf_drop('m@4'), textclf_drop('m@3'), textclf_drop('m@1');
COMMIT;
SELECT count(*) FILTER (WHERE NOT ok) AS damaged FROM textclf_verify();

-- a restore of data with --disable-triggers turns triggers that fire always into ordinary ones
BEGIN;
ALTER TABLE textclf_version DISABLE TRIGGER ALL;
ALTER TABLE textclf_permission DISABLE TRIGGER ALL;
ALTER TABLE textclf_permission ENABLE TRIGGER ALL;
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER of_mine AFTER INSERT ON textclf_version EXECUTE FUNCTION nothing();
SELECT count(*) FILTER (WHERE NOT ok) AS damaged FROM textclf_verify();
ROLLBACK;
-- rights that are as good as the owner's, and others
BEGIN;
GRANT ALL ON textclf_version, textclf_model TO regress_textclf_auditor;
GRANT REFERENCES ON textclf_model TO PUBLIC;
GRANT SELECT, INSERT, REFERENCES (model) ON textclf_permission TO regress_textclf_auditor;
SELECT count(*) FILTER (WHERE NOT ok) AS damaged FROM textclf_verify();
REVOKE TRIGGER, REFERENCES ON textclf_version, textclf_model, textclf_permission FROM regress_textclf_auditor, PUBLIC;
SELECT count(*) FILTER (WHERE NOT ok) AS damaged FROM textclf_verify();
ROLLBACK;
SELECT count(*) FILTER (WHERE NOT ok) AS damaged FROM textclf_verify();

-- leave nothing
SET client_min_messages = warning;
SELECT count(textclf_drop(name)) FROM (SELECT DISTINCT name FROM textclf_models) m;
DROP SCHEMA audit_verify CASCADE;
DROP ROLE regress_textclf_auditor;
