-- Whatever can be selected from can be learned from.
CREATE SCHEMA train_sources;
SET search_path = train_sources, public;
SET textclf.progress = off;

CREATE FUNCTION doc(i int) RETURNS text IMMUTABLE LANGUAGE sql
AS $$ SELECT (ARRAY['a red rose', 'the blue sea'])[i % 2 + 1] || ' no' || i % 13 $$;
CREATE FUNCTION train_on(source regclass, text_column name, label_column name) RETURNS text LANGUAGE sql AS $$
	SELECT format('%s: %s rows, %s skipped, %s classes', model, rows, skipped, classes)
	FROM textclf_train(source, text_column, label_column, options => '{"epochs": 30, "units": 8, "embedding_dim": 8, "learning_rate": 0.02}')
$$;

-- view, materialized view, partitioned and inherited tables
CREATE TABLE colors AS
SELECT doc(i) AS doc, (ARRAY['red', 'blue'])[i % 2 + 1] AS color, i % 2 = 0 AS is_red, i % 2 + 40 AS code
FROM generate_series(1, 120) i;
CREATE VIEW colors_view AS SELECT upper(doc) AS doc, color::varchar(10) AS color FROM colors;
CREATE MATERIALIZED VIEW colors_stored AS SELECT * FROM colors;
CREATE TABLE colors_parted (doc text, color text) PARTITION BY LIST (color);
CREATE TABLE colors_red PARTITION OF colors_parted FOR VALUES IN ('red');
CREATE TABLE colors_other PARTITION OF colors_parted DEFAULT;
INSERT INTO colors_parted SELECT doc, color FROM colors;
CREATE TABLE colors_parent (doc text, color text);
CREATE TABLE colors_child () INHERITS (colors_parent);
INSERT INTO colors_child SELECT doc, color FROM colors;
CREATE TEMP TABLE colors_temp AS SELECT * FROM colors;
SELECT train_on(s, 'doc', 'color')
FROM unnest('{colors_view,colors_stored,colors_parted,colors_parent,colors_temp}'::regclass[]) s;
SELECT textclf_predict('colors_view', 'red rose'), textclf_predict('colors_parted', 'blue sea');

-- labels of every type
CREATE TYPE color AS ENUM ('blue', 'red');
CREATE DOMAIN label AS text;
CREATE TABLE label_types AS
SELECT doc, color::color AS as_enum, color::char(8) AS as_char, color::varchar AS as_varchar, color::label AS as_domain,
	is_red AS as_boolean, code::int2 AS as_int2, code AS as_int4, code::int8 AS as_int8
FROM colors;
DO $$
DECLARE
	c name;
	r record;
BEGIN
	FOREACH c IN ARRAY '{as_enum,as_char,as_varchar,as_domain,as_boolean,as_int2,as_int4,as_int8}'::name[]
	LOOP
		PERFORM textclf_train('label_types', 'doc', c, c, '{"epochs": 30, "units": 8, "embedding_dim": 8, "learning_rate": 0.02}');
		RAISE INFO '%: % and %', c, textclf_predict(c, 'a red rose'), textclf_predict(c, 'the blue sea');
	END LOOP;
END $$;
-- a cast to text, which the owner of an enum may have made, is not called by those who train
CREATE DOMAIN domain_of_color AS color;
CREATE FUNCTION cast_color(color) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'called by %', current_user; END $$;
CREATE CAST (color AS text) WITH FUNCTION cast_color(color) AS IMPLICIT;
ALTER TABLE label_types ADD as_enum_domain domain_of_color;
UPDATE label_types SET as_enum_domain = as_enum;
SELECT train_on('label_types', 'doc', c) FROM unnest('{as_enum,as_enum_domain}'::name[]) c;
SELECT support FROM textclf_evaluate('label_types', 'label_types', 'doc', 'as_enum_domain');
DROP CAST (color AS text);

-- texts of every string type
CREATE TABLE text_types AS
SELECT doc::varchar(50) AS as_varchar, doc::char(30) AS as_char, doc::label AS as_domain, doc::name AS as_name, color
FROM colors;
SELECT train_on('text_types', c, 'color')
FROM unnest('{as_varchar,as_char,as_domain,as_name}'::name[]) c;

-- identifiers that need quotes
CREATE SCHEMA "My ""schema""";
CREATE TABLE "My ""schema"""."Ünusual; table" ("the ""text""" text, "select" text);
INSERT INTO "My ""schema"""."Ünusual; table" SELECT doc, color FROM colors;
SELECT train_on('"My ""schema"""."Ünusual; table"', 'the "text"', 'select');
SELECT source, text_column, label_column FROM textclf_models WHERE name = 'Ünusual; table';
SELECT textclf_predict('Ünusual; table', 'blue sea');
-- what is remembered has quotes where it needs them, not where a session wants to see them
SET quote_all_identifiers = on;
SELECT train_on('colors', 'doc', 'color');
SHOW quote_all_identifiers;
RESET quote_all_identifiers;
SELECT source FROM textclf_models WHERE name = 'colors' ORDER BY version DESC LIMIT 1;

-- rows without text or label are skipped, empty texts are not
CREATE TABLE gaps AS SELECT doc, color FROM colors;
INSERT INTO gaps VALUES (NULL, 'red'), ('text', NULL), (NULL, NULL), ('', 'red'), ('   ', 'blue');
SELECT train_on('gaps', 'doc', 'color');
-- an empty label is a label
UPDATE gaps SET color = '' WHERE color = 'red';
SELECT train_on('gaps', 'doc', 'color');
SELECT '"' || textclf_predict('gaps', 'a red rose') || '"';

-- dropped columns, and rows that this transaction added
ALTER TABLE gaps ADD extra int, DROP COLUMN doc;
SELECT train_on('gaps', 'doc', 'color');
BEGIN;
CREATE TABLE fresh AS SELECT doc, color FROM colors;
SELECT train_on('fresh', 'doc', 'color');
COMMIT;

-- operators and casts of the caller do not get in between
CREATE SCHEMA hostile;
CREATE FUNCTION hostile.equal(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'hostile'; END $$;
CREATE OPERATOR hostile.= (LEFTARG = text, RIGHTARG = text, FUNCTION = hostile.equal);
CREATE FUNCTION hostile.max(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE 'hostile'; END $$;
CREATE TABLE hostile.textclf_model (name text, owner regrole, created timestamptz);
SET search_path = hostile, pg_catalog, train_sources;
SELECT version FROM public.textclf_train('fresh', 'doc', 'color', 'guarded', '{"epochs": 1, "units": 4}');
SELECT public.textclf_deploy('guarded', 1);
SELECT public.textclf_rename('guarded', 'well guarded');
SELECT public.textclf_predict('well guarded', 'red') IS NOT NULL AS predicted;
SELECT public.textclf_drop('well guarded');
SET search_path = train_sources, public;

-- leave nothing
SET client_min_messages = warning;
SELECT count(textclf_drop(name)) FROM (SELECT DISTINCT name FROM textclf_models) m;
DROP SCHEMA train_sources CASCADE;
