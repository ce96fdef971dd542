/*
 * textclf.sql
 *	  The install script: every SQL object of the extension.
 *
 * Tables of models have natural keys and no sequences, and are dumped; jobs are
 * not.  Nobody but the extension's owner reads them; everything goes through the functions, which run with the
 * caller's rights and check who may use a model.
 */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION textclf" to load this file. \quit

-- ---- tables ---------------------------------------------------------------

CREATE TYPE textclf_role;
CREATE FUNCTION textclf_role_in(cstring) RETURNS textclf_role
AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION textclf_role_in(cstring) IS 'a role by its name';
CREATE FUNCTION textclf_role_out(textclf_role) RETURNS cstring
AS 'regroleout' LANGUAGE internal STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION textclf_role_out(textclf_role) IS 'the name of a role';
CREATE FUNCTION textclf_role_recv(internal) RETURNS textclf_role
AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION textclf_role_recv(internal) IS 'a role by its name';
CREATE FUNCTION textclf_role_send(textclf_role) RETURNS bytea
AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION textclf_role_send(textclf_role) IS 'the name of a role';
CREATE TYPE textclf_role (
	INPUT = textclf_role_in, OUTPUT = textclf_role_out,
	RECEIVE = textclf_role_recv, SEND = textclf_role_send, LIKE = oid);
COMMENT ON TYPE textclf_role IS 'a role, whose number is nobody''s on other servers';
CREATE CAST (textclf_role AS oid) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (oid AS textclf_role) WITHOUT FUNCTION AS ASSIGNMENT;

CREATE TABLE textclf_model (
	name text COLLATE "C" PRIMARY KEY,
	owner textclf_role NOT NULL,
	created timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE textclf_model IS 'models by name, and who owns them';
COMMENT ON COLUMN textclf_model.name IS 'what functions call it; without "@"';
COMMENT ON COLUMN textclf_model.owner IS 'role that may change it';
COMMENT ON COLUMN textclf_model.created IS 'start of the transaction that created it';

CREATE TABLE textclf_version (
	model text COLLATE "C" NOT NULL,
	version int NOT NULL CHECK (version > 0),
	digest bytea NOT NULL CHECK (octet_length(digest) = 32),
	created timestamptz NOT NULL DEFAULT now(),
	info jsonb NOT NULL,
	bytes bytea NOT NULL,
	PRIMARY KEY (model, version)
);
-- Weights do not compress, and a whole value is read or none.
ALTER TABLE textclf_version ALTER COLUMN bytes SET STORAGE EXTERNAL;
COMMENT ON TABLE textclf_version IS 'versions of models; immutable';
COMMENT ON COLUMN textclf_version.model IS 'name of the model';
COMMENT ON COLUMN textclf_version.version IS 'counts from 1';
COMMENT ON COLUMN textclf_version.digest IS 'SHA-256 of bytes, its own field in them counted as zeros';
COMMENT ON COLUMN textclf_version.created IS 'start of the transaction that trained or imported it';
COMMENT ON COLUMN textclf_version.info IS 'what is remembered of its training';
COMMENT ON COLUMN textclf_version.bytes IS 'the model as a safetensors file';

CREATE TABLE textclf_deployment (
	model text COLLATE "C" NOT NULL,
	number int NOT NULL CHECK (number > 0),
	version int NOT NULL,
	created timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (model, number)
);
COMMENT ON TABLE textclf_deployment IS 'which version of a model was in use from when on; the row of the largest number counts';
COMMENT ON COLUMN textclf_deployment.model IS 'name of the model';
COMMENT ON COLUMN textclf_deployment.number IS 'counts from 1';
COMMENT ON COLUMN textclf_deployment.version IS 'what the name alone stands for';
COMMENT ON COLUMN textclf_deployment.created IS 'start of the transaction that deployed it';

CREATE TABLE textclf_permission (
	model text COLLATE "C" NOT NULL,
	role textclf_role NOT NULL,
	PRIMARY KEY (model, role)
);
COMMENT ON TABLE textclf_permission IS 'roles that may use a model, besides its owner';
COMMENT ON COLUMN textclf_permission.model IS 'name of the model';
COMMENT ON COLUMN textclf_permission.role IS 'role that may use it; "-" is everyone';

CREATE TABLE textclf_job (
	id bigint GENERATED ALWAYS AS IDENTITY (CYCLE) PRIMARY KEY,
	role oid NOT NULL,
	source oid NOT NULL,
	source_name text NOT NULL,
	text_column text NOT NULL,
	label_column text NOT NULL,
	model text COLLATE "C" NOT NULL,
	options jsonb,
	settings jsonb NOT NULL,
	requested timestamptz NOT NULL DEFAULT now(),
	segment bigint,
	state text CHECK (state IN ('done', 'failed', 'cancelled')),
	started timestamptz,
	epoch int,
	epochs int,
	loss double precision,
	finished timestamptz,
	version int,
	deployed boolean,
	error text,
	warning text,
	notices text
) WITH (fillfactor = 50);
COMMENT ON TABLE textclf_job IS 'background trainings; not dumped';
COMMENT ON SEQUENCE textclf_job_id_seq IS 'ids of background trainings';
COMMENT ON COLUMN textclf_job.id IS 'what textclf_train_background returned';
COMMENT ON COLUMN textclf_job.role IS 'OID of the role that asked for it, which does the training';
COMMENT ON COLUMN textclf_job.source IS 'OID of the relation to learn from';
COMMENT ON COLUMN textclf_job.source_name IS 'its name when the job was asked for';
COMMENT ON COLUMN textclf_job.text_column IS 'column that holds the texts';
COMMENT ON COLUMN textclf_job.label_column IS 'column that holds the labels';
COMMENT ON COLUMN textclf_job.model IS 'model whose new version it makes';
COMMENT ON COLUMN textclf_job.options IS 'options of the training';
COMMENT ON COLUMN textclf_job.settings IS 'settings of textclf that its session had changed';
COMMENT ON COLUMN textclf_job.requested IS 'start of the transaction that asked for it';
COMMENT ON COLUMN textclf_job.segment IS 'shared memory in which its worker tells how far it is';
COMMENT ON COLUMN textclf_job.state IS 'what came of it; null until it has ended, or if its worker ended before it did';
COMMENT ON COLUMN textclf_job.started IS 'when its worker began to read rows';
COMMENT ON COLUMN textclf_job.epoch IS 'the last epoch';
COMMENT ON COLUMN textclf_job.epochs IS 'how many were planned';
COMMENT ON COLUMN textclf_job.loss IS 'mean loss of the last epoch';
COMMENT ON COLUMN textclf_job.finished IS 'when it ended';
COMMENT ON COLUMN textclf_job.version IS 'version that it made';
COMMENT ON COLUMN textclf_job.deployed IS 'whether that was deployed';
COMMENT ON COLUMN textclf_job.error IS 'why it failed';
COMMENT ON COLUMN textclf_job.warning IS 'why its model may not be worth much';
COMMENT ON COLUMN textclf_job.notices IS 'what its training had to tell beside figures';

REVOKE ALL ON textclf_model, textclf_version, textclf_deployment, textclf_permission, textclf_job FROM PUBLIC;

CREATE FUNCTION textclf_guard() RETURNS trigger
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION textclf_guard() IS
'trigger of the tables of textclf: only their owner writes to them';

CREATE TRIGGER textclf_guard BEFORE INSERT OR UPDATE OR DELETE ON textclf_model
FOR EACH ROW EXECUTE FUNCTION textclf_guard();
CREATE TRIGGER textclf_guard BEFORE INSERT OR UPDATE OR DELETE ON textclf_version
FOR EACH ROW EXECUTE FUNCTION textclf_guard();
CREATE TRIGGER textclf_guard BEFORE INSERT OR UPDATE OR DELETE ON textclf_deployment
FOR EACH ROW EXECUTE FUNCTION textclf_guard();
CREATE TRIGGER textclf_guard BEFORE INSERT OR UPDATE OR DELETE ON textclf_permission
FOR EACH ROW EXECUTE FUNCTION textclf_guard();
CREATE TRIGGER textclf_guard BEFORE INSERT OR UPDATE OR DELETE ON textclf_job
FOR EACH ROW EXECUTE FUNCTION textclf_guard();
CREATE TRIGGER textclf_guard_truncate BEFORE TRUNCATE ON textclf_model
FOR EACH STATEMENT EXECUTE FUNCTION textclf_guard();
CREATE TRIGGER textclf_guard_truncate BEFORE TRUNCATE ON textclf_version
FOR EACH STATEMENT EXECUTE FUNCTION textclf_guard();
CREATE TRIGGER textclf_guard_truncate BEFORE TRUNCATE ON textclf_deployment
FOR EACH STATEMENT EXECUTE FUNCTION textclf_guard();
CREATE TRIGGER textclf_guard_truncate BEFORE TRUNCATE ON textclf_permission
FOR EACH STATEMENT EXECUTE FUNCTION textclf_guard();
CREATE TRIGGER textclf_guard_truncate BEFORE TRUNCATE ON textclf_job
FOR EACH STATEMENT EXECUTE FUNCTION textclf_guard();
-- in the process of a subscription as well, whose role may be anybody, and while store.c writes
ALTER TABLE textclf_model ENABLE ALWAYS TRIGGER textclf_guard;
ALTER TABLE textclf_model ENABLE ALWAYS TRIGGER textclf_guard_truncate;
ALTER TABLE textclf_version ENABLE ALWAYS TRIGGER textclf_guard;
ALTER TABLE textclf_version ENABLE ALWAYS TRIGGER textclf_guard_truncate;
ALTER TABLE textclf_deployment ENABLE ALWAYS TRIGGER textclf_guard;
ALTER TABLE textclf_deployment ENABLE ALWAYS TRIGGER textclf_guard_truncate;
ALTER TABLE textclf_permission ENABLE ALWAYS TRIGGER textclf_guard;
ALTER TABLE textclf_permission ENABLE ALWAYS TRIGGER textclf_guard_truncate;
ALTER TABLE textclf_job ENABLE ALWAYS TRIGGER textclf_guard;
ALTER TABLE textclf_job ENABLE ALWAYS TRIGGER textclf_guard_truncate;

CREATE FUNCTION textclf_leave_out() RETURNS trigger
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION textclf_leave_out() IS
'trigger of the tables of textclf: what a subscription brings of these rows is left out';

-- jobs are each server's own; and a role that the publisher has dropped has no name
CREATE TRIGGER textclf_leave_out BEFORE INSERT OR UPDATE OR DELETE ON textclf_job
FOR EACH ROW EXECUTE FUNCTION textclf_leave_out();
CREATE TRIGGER textclf_leave_out BEFORE INSERT OR UPDATE ON textclf_permission
FOR EACH ROW WHEN (NEW.role::pg_catalog.oid OPERATOR(pg_catalog.=) 1) EXECUTE FUNCTION textclf_leave_out();
ALTER TABLE textclf_job ENABLE ALWAYS TRIGGER textclf_leave_out;
ALTER TABLE textclf_permission ENABLE ALWAYS TRIGGER textclf_leave_out;

-- What a role that was dropped has been granted is left out: it would be nobody's.
SELECT pg_catalog.pg_extension_config_dump('textclf_model', '');
SELECT pg_catalog.pg_extension_config_dump('textclf_version', '');
SELECT pg_catalog.pg_extension_config_dump('textclf_deployment', '');
SELECT pg_catalog.pg_extension_config_dump('textclf_permission',
	'WHERE role::pg_catalog.oid = 0 OR EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.oid = role::pg_catalog.oid)');

-- ---- training -------------------------------------------------------------

CREATE FUNCTION textclf_train(
	source regclass, text_column name, label_column name,
	model text DEFAULT NULL, options jsonb DEFAULT '{}',
	OUT model text, OUT version int, OUT deployed boolean,
	OUT rows bigint, OUT skipped bigint, OUT classes int, OUT epochs int,
	OUT accuracy double precision, OUT macro_f1 double precision,
	OUT deep_accuracy double precision, OUT wide_accuracy double precision,
	OUT seconds double precision)
RETURNS record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION textclf_train(regclass, name, name, text, jsonb) IS
'train a new version of a model from the rows of a table or view';

CREATE FUNCTION textclf_train_background(
	source regclass, text_column name, label_column name,
	model text DEFAULT NULL, options jsonb DEFAULT '{}')
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION textclf_train_background(regclass, name, name, text, jsonb) IS
'have a new version of a model trained by another process, from COMMIT on; returns the id of the job';

CREATE FUNCTION textclf_cancel(job bigint) RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION textclf_cancel(bigint) IS
'stop a background training; returns whether there was something to stop';

CREATE FUNCTION textclf_job_entries(
	OUT job bigint, OUT model text, OUT source text, OUT role regrole,
	OUT state text, OUT phase text, OUT pid int, OUT epoch int, OUT epochs int,
	OUT loss double precision, OUT rows_per_second double precision,
	OUT seconds_left double precision, OUT requested timestamptz,
	OUT started timestamptz, OUT finished timestamptz,
	OUT version int, OUT deployed boolean, OUT error text, OUT warning text, OUT notices text)
RETURNS SETOF record
-- a snapshot newer than the query's cannot be had beside parallel workers
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 20;
COMMENT ON FUNCTION textclf_job_entries() IS
'background trainings as they are now';

-- ---- prediction -----------------------------------------------------------

CREATE FUNCTION textclf_predict_support(internal) RETURNS internal
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION textclf_predict_support(internal) IS
'tells the planner what predictions cost';

CREATE FUNCTION textclf_predict(model text, doc text) RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000
SUPPORT @extschema@.textclf_predict_support;
COMMENT ON FUNCTION textclf_predict(text, text) IS
'most probable label of a text';

CREATE FUNCTION textclf_predict(model text, docs text[]) RETURNS text[]
AS 'MODULE_PATHNAME', 'textclf_predict_array' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10000
SUPPORT @extschema@.textclf_predict_support;
COMMENT ON FUNCTION textclf_predict(text, text[]) IS
'most probable labels of texts, in the same order and shape';

CREATE FUNCTION textclf_probability(model text, doc text, label text) RETURNS real
AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 1000
SUPPORT @extschema@.textclf_predict_support;
COMMENT ON FUNCTION textclf_probability(text, text, text) IS
'probability of a label for a text';

CREATE FUNCTION textclf_predict_proba(
	model text, doc text, top_k int DEFAULT NULL,
	OUT label text, OUT probability real)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE COST 1000 ROWS 10
SUPPORT @extschema@.textclf_predict_support;
COMMENT ON FUNCTION textclf_predict_proba(text, text, int) IS
'labels with their probabilities for a text, best first';

CREATE FUNCTION textclf_classify() RETURNS trigger
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION textclf_classify() IS
'trigger that classifies rows: model, text column, label column [, probability column [, version column [, minimum probability]]]';

-- ---- a model at work ------------------------------------------------------

CREATE FUNCTION textclf_review_queue(
	model text, source regclass, text_column name, k int DEFAULT 20,
	OUT row_id tid, OUT doc text, OUT label text, OUT probability real, OUT margin real)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 20;
COMMENT ON FUNCTION textclf_review_queue(text, regclass, name, int) IS
'rows of whose label a model is least sure, least sure first';

CREATE FUNCTION textclf_drift(
	model text, source regclass, text_column name,
	OUT measure text, OUT label text, OUT training double precision,
	OUT today double precision, OUT distance double precision, OUT verdict text)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 10;
COMMENT ON FUNCTION textclf_drift(text, regclass, name) IS
'how far rows are from those that a model learned from: ok, watch or drifted';

CREATE PROCEDURE textclf_refresh(
	target regclass, text_column name, label_column name, version_column name,
	model text, chunk_rows int DEFAULT 10000)
AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON PROCEDURE textclf_refresh(regclass, name, name, name, text, int) IS
'classify anew, in committed chunks, the rows that another version or none has labelled';

-- ---- judging --------------------------------------------------------------

CREATE FUNCTION textclf_evaluate(
	model text, source regclass DEFAULT NULL,
	text_column name DEFAULT NULL, label_column name DEFAULT NULL,
	OUT label text, OUT "precision" double precision, OUT recall double precision,
	OUT f1 double precision, OUT support bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 10;
COMMENT ON FUNCTION textclf_evaluate(text, regclass, name, name) IS
'precision, recall and F1 of each label, accuracy and averages, on rows or on the validation rows of the training';

CREATE FUNCTION textclf_confusion_matrix(
	model text, source regclass DEFAULT NULL,
	text_column name DEFAULT NULL, label_column name DEFAULT NULL,
	OUT actual text, OUT predicted text, OUT n bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 20;
COMMENT ON FUNCTION textclf_confusion_matrix(text, regclass, name, name) IS
'how many rows of which label were taken for which, on rows or on the validation rows of the training';

CREATE FUNCTION textclf_cross_validate(
	source regclass, text_column name, label_column name,
	folds int DEFAULT 5, options jsonb DEFAULT '{}',
	OUT fold text, OUT rows bigint, OUT accuracy double precision,
	OUT macro_f1 double precision, OUT weighted_f1 double precision,
	OUT seconds double precision)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 7;
COMMENT ON FUNCTION textclf_cross_validate(regclass, name, name, int, jsonb) IS
'train on all parts of the rows but one and judge by that one, for each part; publishes nothing';

-- ---- versions and rights --------------------------------------------------

CREATE FUNCTION textclf_deploy(model text, version int) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION textclf_deploy(text, int) IS
'make a version the one that the name of its model stands for';

CREATE FUNCTION textclf_drop(model text) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION textclf_drop(text) IS
'drop a model, or one version of it';

CREATE FUNCTION textclf_rename(model text, new_name text) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION textclf_rename(text, text) IS
'give a model another name';

CREATE FUNCTION textclf_set_owner(model text, owner regrole) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION textclf_set_owner(text, regrole) IS
'give a model to another role';

CREATE FUNCTION textclf_grant(model text, role regrole) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION textclf_grant(text, regrole) IS
'let a role, or everyone ("-"), use a model';

CREATE FUNCTION textclf_revoke(model text, role regrole) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION textclf_revoke(text, regrole) IS
'take back what textclf_grant gave';

CREATE FUNCTION textclf_audit(model text, OUT token text, OUT rows bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE ROWS 10000;
COMMENT ON FUNCTION textclf_audit(text) IS
'tokens that a model remembers, and in how many rows each was';

CREATE FUNCTION textclf_verify(
	OUT model text, OUT version int, OUT ok boolean, OUT problem text)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000000 ROWS 20;
COMMENT ON FUNCTION textclf_verify() IS
'whether the stored models that the current user may use are whole; warns if the tables are not guarded';

CREATE FUNCTION textclf_export(model text) RETURNS bytea
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION textclf_export(text) IS
'a version as the bytes of a safetensors file';

CREATE FUNCTION textclf_import(model text, bytes bytea) RETURNS int
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION textclf_import(text, bytea) IS
'store what textclf_export gave as a new version';

-- ---- inspection -----------------------------------------------------------

CREATE FUNCTION textclf_history(
	model text,
	OUT epoch int, OUT loss double precision, OUT accuracy double precision,
	OUT val_loss double precision, OUT val_accuracy double precision,
	OUT seconds double precision, OUT val_curve text)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 10;
COMMENT ON FUNCTION textclf_history(text) IS
'figures of each epoch of a training';

CREATE FUNCTION textclf_report(model text) RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100000;
COMMENT ON FUNCTION textclf_report(text) IS
'a page of HTML: what a model learned from, how that went, how good it is';

CREATE FUNCTION textclf_tokens(
	model text, doc text,
	OUT "position" int, OUT token text, OUT id int, OUT in_vocabulary boolean)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 50;
COMMENT ON FUNCTION textclf_tokens(text, text) IS
'a text as a model reads it';

CREATE FUNCTION textclf_explain(
	model text, doc text, label text DEFAULT NULL,
	OUT "position" int, OUT token text, OUT start_offset int, OUT end_offset int,
	OUT weight double precision)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE COST 100000 ROWS 50;
COMMENT ON FUNCTION textclf_explain(text, text, text) IS
'what each token of a text says for a label, by default the predicted one';

CREATE FUNCTION textclf_cache_entries(
	OUT model text, OUT version int, OUT bytes bigint, OUT private_bytes bigint,
	OUT shared boolean, OUT hits bigint, OUT loaded timestamptz, OUT last_used timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 5;
COMMENT ON FUNCTION textclf_cache_entries() IS
'models that this session keeps in memory';

CREATE FUNCTION textclf_build_info(OUT name text, OUT value text)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 8;
COMMENT ON FUNCTION textclf_build_info() IS
'processor, kernels, libraries and versions that textclf runs on';

-- The meaning of a view is fixed here, once, for whoever reads it: only names of
-- the server and of the extension are looked at, not those that others have
-- put into the schema that the extension is created in.
SET LOCAL search_path = pg_catalog, pg_temp;

-- Default privileges, which are meant for other tables, do not open these: who may
-- write to them owns every model, and more.
DO $$
DECLARE
	command text;
BEGIN
	FOR command IN
		SELECT format('REVOKE ALL ON %s %s FROM %s CASCADE',
			CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.oid::regclass, a.grantee::regrole)
		FROM pg_class AS c, aclexplode(c.relacl) AS a
		WHERE c.relkind IN ('r', 'S') AND a.grantee NOT IN (0, c.relowner)
			AND c.oid IN (
				'@extschema@.textclf_model'::regclass, '@extschema@.textclf_version'::regclass,
				'@extschema@.textclf_deployment'::regclass, '@extschema@.textclf_permission'::regclass,
				'@extschema@.textclf_job'::regclass, '@extschema@.textclf_job_id_seq'::regclass)
		GROUP BY c.oid, c.relkind, a.grantee
	LOOP
		EXECUTE command;
	END LOOP;
END $$;

CREATE VIEW @extschema@.textclf_models WITH (security_barrier) AS
SELECT m.name,
	v.version,
	v.version IS NOT DISTINCT FROM (
		SELECT d.version
		FROM @extschema@.textclf_deployment d
		WHERE d.model = m.name
		ORDER BY d.number DESC
		LIMIT 1) AS deployed,
	m.owner::oid::regrole AS owner,
	v.created,
	v.info ->> 'source' AS source,
	v.info ->> 'text_column' AS text_column,
	v.info ->> 'label_column' AS label_column,
	(v.info ->> 'classes')::int AS classes,
	(v.info ->> 'rows')::bigint AS rows,
	round((v.info ->> 'accuracy')::numeric, 6)::double precision AS accuracy,
	round((v.info ->> 'macro_f1')::numeric, 6)::double precision AS macro_f1,
	round((v.info ->> 'deep_accuracy')::numeric, 6)::double precision AS deep_accuracy,
	round((v.info ->> 'wide_accuracy')::numeric, 6)::double precision AS wide_accuracy,
	round((v.info ->> 'calibration_error')::numeric, 6)::double precision AS calibration_error,
	(v.info ->> 'parameters')::bigint AS parameters,
	octet_length(v.bytes)::bigint AS bytes,
	v.info -> 'options' AS options,
	v.info ->> 'warm_start' AS warm_start,
	v.info ->> 'embeddings' AS embeddings
FROM @extschema@.textclf_model m
JOIN @extschema@.textclf_version v ON v.model = m.name
WHERE pg_has_role(m.owner::oid, 'USAGE')
	OR EXISTS (
		SELECT
		FROM @extschema@.textclf_permission p
		WHERE p.model = m.name
			AND (p.role::oid = 0 OR pg_has_role(p.role::oid, 'USAGE')))
ORDER BY m.name, v.version;
COMMENT ON VIEW @extschema@.textclf_models IS 'versions of the models that the current user may use';
COMMENT ON COLUMN @extschema@.textclf_models.name IS 'name of the model';
COMMENT ON COLUMN @extschema@.textclf_models.version IS 'number of the version; name@version means it';
COMMENT ON COLUMN @extschema@.textclf_models.deployed IS 'whether the name alone means it';
COMMENT ON COLUMN @extschema@.textclf_models.owner IS 'role that may change the model';
COMMENT ON COLUMN @extschema@.textclf_models.created IS 'when it was trained or imported';
COMMENT ON COLUMN @extschema@.textclf_models.source IS 'table or view that it learned from';
COMMENT ON COLUMN @extschema@.textclf_models.text_column IS 'column that held the texts';
COMMENT ON COLUMN @extschema@.textclf_models.label_column IS 'column that held the labels';
COMMENT ON COLUMN @extschema@.textclf_models.classes IS 'number of labels that it tells apart';
COMMENT ON COLUMN @extschema@.textclf_models.rows IS 'rows that it learned from or was judged on';
COMMENT ON COLUMN @extschema@.textclf_models.accuracy IS 'share of the validation rows that it got right';
COMMENT ON COLUMN @extschema@.textclf_models.macro_f1 IS 'mean F1 of the labels on the validation rows';
COMMENT ON COLUMN @extschema@.textclf_models.deep_accuracy IS 'accuracy of the network alone; null if the model has none';
COMMENT ON COLUMN @extschema@.textclf_models.wide_accuracy IS 'accuracy of the n-grams alone; null if the model has none';
COMMENT ON COLUMN @extschema@.textclf_models.calibration_error IS 'how far probabilities are from the share that is right, on average';
COMMENT ON COLUMN @extschema@.textclf_models.parameters IS 'number of weights';
COMMENT ON COLUMN @extschema@.textclf_models.bytes IS 'size in the database';
COMMENT ON COLUMN @extschema@.textclf_models.options IS 'what it was trained with, defaults resolved';
COMMENT ON COLUMN @extschema@.textclf_models.warm_start IS 'version whose network it began with';
COMMENT ON COLUMN @extschema@.textclf_models.embeddings IS 'table or view whose word vectors it began with';

CREATE VIEW @extschema@.textclf_cache AS
SELECT model, version, bytes, private_bytes, shared, hits, loaded, last_used
FROM @extschema@.textclf_cache_entries();
COMMENT ON VIEW @extschema@.textclf_cache IS 'models that this session keeps in memory, least recently used first';
COMMENT ON COLUMN @extschema@.textclf_cache.model IS 'name of the model';
COMMENT ON COLUMN @extschema@.textclf_cache.version IS 'number of the version';
COMMENT ON COLUMN @extschema@.textclf_cache.bytes IS 'memory that it takes, shared memory included';
COMMENT ON COLUMN @extschema@.textclf_cache.private_bytes IS 'memory of this session alone';
COMMENT ON COLUMN @extschema@.textclf_cache.shared IS 'whether the rest is mapped, once for all sessions';
COMMENT ON COLUMN @extschema@.textclf_cache.hits IS 'look-ups that found it in memory';
COMMENT ON COLUMN @extschema@.textclf_cache.loaded IS 'when it was mapped or decoded';
COMMENT ON COLUMN @extschema@.textclf_cache.last_used IS 'start of the statement that used it last';

CREATE VIEW @extschema@.textclf_jobs AS
SELECT job, model, source, role, state, phase, pid, epoch, epochs, loss,
	rows_per_second,
	make_interval(secs => seconds_left) AS time_left,
	requested, started, finished, version, deployed, error, warning, notices
FROM @extschema@.textclf_job_entries()
ORDER BY job;
COMMENT ON VIEW @extschema@.textclf_jobs IS 'background trainings of the last 30 days, as they are now; those of other roles for members of pg_read_all_stats';
COMMENT ON COLUMN @extschema@.textclf_jobs.job IS 'what textclf_train_background returned';
COMMENT ON COLUMN @extschema@.textclf_jobs.model IS 'model whose new version it makes';
COMMENT ON COLUMN @extschema@.textclf_jobs.source IS 'table or view that it learns from';
COMMENT ON COLUMN @extschema@.textclf_jobs.role IS 'role that asked for it, which does the training';
COMMENT ON COLUMN @extschema@.textclf_jobs.state IS 'queued (until COMMIT), running, done, failed or cancelled';
COMMENT ON COLUMN @extschema@.textclf_jobs.phase IS 'reading, preparing, training or publishing, while it runs';
COMMENT ON COLUMN @extschema@.textclf_jobs.pid IS 'its process, as in pg_stat_activity';
COMMENT ON COLUMN @extschema@.textclf_jobs.epoch IS 'the epoch under way, or the last one';
COMMENT ON COLUMN @extschema@.textclf_jobs.epochs IS 'how many are planned';
COMMENT ON COLUMN @extschema@.textclf_jobs.loss IS 'mean loss of the epoch';
COMMENT ON COLUMN @extschema@.textclf_jobs.rows_per_second IS 'speed of the training so far';
COMMENT ON COLUMN @extschema@.textclf_jobs.time_left IS 'how long it will train on, if no epoch is spared';
COMMENT ON COLUMN @extschema@.textclf_jobs.requested IS 'start of the transaction that asked for it';
COMMENT ON COLUMN @extschema@.textclf_jobs.started IS 'when it began to read rows';
COMMENT ON COLUMN @extschema@.textclf_jobs.finished IS 'when it ended';
COMMENT ON COLUMN @extschema@.textclf_jobs.version IS 'version that it made';
COMMENT ON COLUMN @extschema@.textclf_jobs.deployed IS 'whether that was deployed';
COMMENT ON COLUMN @extschema@.textclf_jobs.error IS 'SQLSTATE of what stopped it and, for members of its role, the message';
COMMENT ON COLUMN @extschema@.textclf_jobs.warning IS 'for members of its role: how few rows its model has learned from';
COMMENT ON COLUMN @extschema@.textclf_jobs.notices IS 'for members of its role: what else textclf_train would have told when it was done';

GRANT SELECT ON @extschema@.textclf_models, @extschema@.textclf_cache, @extschema@.textclf_jobs TO PUBLIC;
