-- Functions, operators, types and tables that somebody has put where our names
-- could find them are not executed: not while the extension is created among
-- them, and not by any of its functions.
CREATE SCHEMA search_path_hostile;
SET search_path = search_path_hostile;
SET textclf.progress = off;
SET client_min_messages = warning;
\getenv abs_srcdir PG_ABS_SRCDIR
\set file :abs_srcdir '/include/every_function.sql'
\set ECHO none
\i :file
\set ECHO all
CREATE TABLE docs AS
SELECT (ARRAY['left hand', 'right foot'])[i % 2 + 1] AS doc, (ARRAY['left', 'right'])[i % 2 + 1] AS label, NULL::int AS version
FROM generate_series(1, 120) i;

-- A trap counts its executions in a sequence, which no rollback takes back.
CREATE SCHEMA hostile;
CREATE SEQUENCE hostile.executions MINVALUE 0;
CREATE FUNCTION make_trap(name text, arguments text, result text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE FUNCTION hostile.%I(%s) RETURNS %s LANGUAGE plpgsql SET search_path = pg_catalog AS '
		'''BEGIN PERFORM nextval(''''hostile.executions''''); RAISE EXCEPTION ''''trapped in %s''''; END''', name, arguments, result, name);
END $$;

CREATE TABLE types AS SELECT unnest(ARRAY['text', 'int4', 'int8', 'oid', 'regrole', 'regclass', 'jsonb', 'json', 'bytea', 'name', 'bool', 'float8', 'timestamptz', '_text', '_oid']) AS name;
-- every operator, for each pair of these types, for which there may be an exact match that the server itself lacks
SELECT count(make_trap('trap', l.name || ',' || r.name, CASE WHEN l.name = 'jsonb' THEN 'text' ELSE 'bool' END)) FROM types l, types r;
DO $$
DECLARE
	l text;
	r text;
	operator text;
BEGIN
	FOR l, r, operator IN
		SELECT l.name, r.name, o.name FROM types l, types r,
			unnest(ARRAY['=', '<>', '<', '>', '<=', '>=', '+', '-', '*', '/', '%', '||', '->', '->>', '#>', '#>>', '?', '@>', '~', '~~']) AS o (name)
	LOOP
		EXECUTE format('CREATE OPERATOR hostile.%s (FUNCTION = hostile.trap, LEFTARG = %s, RIGHTARG = %s)', operator, l, r);
	END LOOP;
END $$;
-- every function of these types that the server has, and each of its names with arguments that would fit better
SELECT count(make_trap(proname, pg_get_function_identity_arguments(p.oid), format_type(prorettype, NULL))) > 500 AS functions
FROM pg_proc p
WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f' AND provariadic = 0 AND NOT proretset
	AND pronargs BETWEEN 0 AND 4 AND proargmodes IS NULL
	AND prorettype IN (SELECT name::regtype FROM types)
	AND NOT EXISTS (SELECT FROM unnest(proargtypes) a WHERE a NOT IN (SELECT name::regtype FROM types));
SELECT count(make_trap(f.name, l.name || ',' || r.name, 'bool')) > 5000 AS better_functions
FROM unnest(ARRAY['pg_has_role', 'has_table_privilege', 'max', 'min', 'sum', 'count', 'coalesce', 'greatest', 'format', 'concat', 'octet_length', 'length',
		'textclf_helper', 'jsonb_each', 'set_config', 'current_setting', 'array_agg', 'string_agg', 'jsonb_build_object', 'quote_ident', 'lower', 'round', 'now']) f (name),
	types l, types r
WHERE NOT EXISTS (SELECT FROM pg_proc WHERE proname = f.name AND pronamespace = 'hostile'::regnamespace AND oidvectortypes(proargtypes) = format_type(l.name::regtype, NULL) || ', ' || format_type(r.name::regtype, NULL));
SELECT count(make_trap(f.name, l.name, 'text')) > 0 AS of_one_argument
FROM unnest(ARRAY['max', 'min', 'sum', 'count', 'octet_length', 'length', 'quote_ident', 'array_agg', 'unnest', 'lower', 'generate_series']) f (name), types l
WHERE NOT EXISTS (SELECT FROM pg_proc WHERE proname = f.name AND pronamespace = 'hostile'::regnamespace AND oidvectortypes(proargtypes) = format_type(l.name::regtype, NULL));

-- The extension is created in their midst, and used.
DROP EXTENSION textclf;
CREATE EXTENSION textclf SCHEMA hostile;
CREATE FUNCTION call_all(model text) RETURNS TABLE (function text, state text) LANGUAGE plpgsql AS $$
DECLARE
	call record;
BEGIN
	FOR call IN SELECT c.* FROM search_path_hostile.every_call(model) c LOOP
		function := call.function;
		state := 'allowed';
		BEGIN
			PERFORM pg_catalog.set_config('search_path', 'hostile, pg_catalog, search_path_hostile', true);
			EXECUTE call.statement;
			RAISE EXCEPTION USING errcode = 'TXUND';
		EXCEPTION
			WHEN SQLSTATE 'TXUND' THEN NULL;
			WHEN OTHERS THEN state := sqlstate || ' ' || sqlerrm;
		END;
		RETURN NEXT;
	END LOOP;
END $$;
SET search_path = search_path_hostile, pg_catalog;
SELECT version FROM hostile.textclf_train('docs', 'doc', 'label', 'm', '{"epochs": 1, "units": 2, "embedding_dim": 2}');
-- P0001 would be a trap; the bytes to import and the like are not there
CREATE TABLE search_path_hostile.calls AS SELECT * FROM call_all('m');
SELECT * FROM calls WHERE state ~ '^(P0001|42601|42883|42725)';
SELECT count(*) >= 12 AS went_well FROM calls WHERE state = 'allowed';
SET search_path = hostile, pg_catalog, search_path_hostile;
SELECT name, version, deployed, classes, rows FROM hostile.textclf_models;
TABLE hostile.textclf_cache LIMIT 0;
CREATE TRIGGER classify BEFORE INSERT ON search_path_hostile.docs FOR EACH ROW EXECUTE FUNCTION hostile.textclf_classify('m', 'doc', 'label', '', 'version', '0');
INSERT INTO search_path_hostile.docs (doc) VALUES ('left hand') RETURNING version;
RESET search_path;
SELECT is_called AS executed FROM hostile.executions;

-- Elsewhere they stand before it on the search_path, with tables and types of our names.
SET client_min_messages = warning;
DROP TRIGGER classify ON search_path_hostile.docs;
DROP EXTENSION textclf;
CREATE EXTENSION textclf SCHEMA public;
DO $$
DECLARE
	relation text;
	type text;
BEGIN
	FOR relation IN
		SELECT relname FROM pg_class JOIN pg_depend ON classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e'
			JOIN pg_extension e ON refclassid = 'pg_extension'::regclass AND refobjid = e.oid WHERE extname = 'textclf' AND relkind IN ('r', 'v')
		UNION SELECT unnest(ARRAY['pg_class', 'pg_proc', 'pg_roles', 'pg_authid', 'pg_stat_activity', 'pg_settings'])
	LOOP
		EXECUTE format('CREATE VIEW hostile.%I AS SELECT m.*, hostile.trap(1, 1) AS trapped FROM %I m', relation, relation);
	END LOOP;
	FOR type IN SELECT name FROM search_path_hostile.types WHERE name !~ '^_' LOOP
		EXECUTE format('CREATE DOMAIN hostile.%I AS pg_catalog.%I CHECK (hostile.trap(1, 1))', type, type);
	END LOOP;
END $$;
SET search_path = search_path_hostile, public;
SELECT version FROM textclf_train('docs', 'doc', 'label', 'm', '{"epochs": 1, "units": 2, "embedding_dim": 2}');
TRUNCATE calls;
INSERT INTO calls SELECT * FROM call_all('m');
SELECT * FROM calls WHERE state ~ '^(P0001|42601|42883|42725)';
SELECT count(*) >= 12 AS went_well FROM calls WHERE state = 'allowed';
SET search_path = hostile, pg_catalog, search_path_hostile;
SELECT name, version, deployed, classes, rows FROM public.textclf_models;
TABLE public.textclf_cache LIMIT 0;
CREATE TRIGGER classify BEFORE INSERT ON search_path_hostile.docs FOR EACH ROW EXECUTE FUNCTION public.textclf_classify('m', 'doc', 'label', '', 'version', '0');
INSERT INTO search_path_hostile.docs (doc) VALUES ('left hand') RETURNING version;
RESET search_path;
SELECT is_called AS executed FROM hostile.executions;
-- the trap works
DO $$ BEGIN PERFORM hostile.trap(1, 1); EXCEPTION WHEN raise_exception THEN END $$;
SELECT is_called AS executed FROM hostile.executions;

-- leave nothing
SET client_min_messages = warning;
SELECT count(textclf_drop(name)) FROM (SELECT DISTINCT name FROM textclf_models) m;
DROP SCHEMA hostile CASCADE;
DROP SCHEMA search_path_hostile CASCADE;
