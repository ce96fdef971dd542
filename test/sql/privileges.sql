-- Who may use, change and see models.
CREATE SCHEMA privileges;
SET search_path = privileges, public;
SET textclf.progress = off;
CREATE ROLE regress_textclf_owner;
CREATE ROLE regress_textclf_team;
CREATE ROLE regress_textclf_member IN ROLE regress_textclf_team;
CREATE ROLE regress_textclf_other;
GRANT ALL ON SCHEMA privileges TO PUBLIC;

CREATE TABLE docs (doc text, label text, secret text);
INSERT INTO docs SELECT (ARRAY['left hand', 'right foot'])[i % 2 + 1] || ' ' || i % 7, (ARRAY['left', 'right'])[i % 2 + 1], 'secret' FROM generate_series(1, 120) i;

-- reading the rows needs the rights to read them
SET ROLE regress_textclf_owner;
SELECT version FROM textclf_train('docs', 'doc', 'label', 'm', '{"epochs": 2, "units": 4}');
RESET ROLE;
GRANT SELECT (doc, label) ON docs TO regress_textclf_owner;
SET ROLE regress_textclf_owner;
SELECT version FROM textclf_train('docs', 'doc', 'secret', 'm', '{"epochs": 2, "units": 4}');
SELECT version FROM textclf_train('docs', 'doc', 'label', 'm', '{"epochs": 2, "units": 4}');
RESET ROLE;
-- row security too
GRANT SELECT ON docs TO regress_textclf_owner;
ALTER TABLE docs ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON docs TO regress_textclf_owner USING (doc LIKE '% 3');
SET ROLE regress_textclf_owner;
SET client_min_messages = error;
SELECT rows FROM textclf_train('docs', 'doc', 'label', 'filtered', '{"epochs": 2, "units": 4}');
RESET client_min_messages;
RESET ROLE;
ALTER TABLE docs DISABLE ROW LEVEL SECURITY;

-- nobody else uses, changes or sees it
CREATE FUNCTION try_all(model text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	statement text;
BEGIN
	FOREACH statement IN ARRAY ARRAY[
		'textclf_predict(%1$L, ''left'')', 'textclf_predict(%1$L, ARRAY[''left''])', 'textclf_probability(%1$L, ''left'', ''left'')',
		'textclf_predict_proba(%1$L, ''left'')', 'textclf_tokens(%1$L, ''left'')', 'textclf_history(%1$L)',
		'textclf_export(%1$L)', 'textclf_import(%1$L, ''x'')', 'textclf_train(''docs'', ''doc'', ''label'', %1$L)',
		'textclf_deploy(%1$L, 1)', 'textclf_rename(%1$L, ''mine'')', 'textclf_grant(%1$L, current_user::regrole)',
		'textclf_revoke(%1$L, current_user::regrole)', 'textclf_set_owner(%1$L, current_user::regrole)',
		'textclf_drop(%1$L)', 'textclf_drop(%1$L || ''@1'')']
	LOOP
		statement := format(statement, model);
		BEGIN
			EXECUTE 'SELECT count(*) FROM ' || statement || ' f';
			RAISE INFO '%: allowed', statement;
		EXCEPTION WHEN OTHERS THEN
			RAISE INFO '%: % %', statement, sqlstate, sqlerrm;
		END;
	END LOOP;
END $$;
SET ROLE regress_textclf_other;
SELECT try_all('m');
SELECT textclf_predict('m@2', 'left');
SELECT count(*) FROM textclf_models;
SELECT count(*) FROM textclf_model;
SELECT count(*) FROM textclf_version;
SELECT count(*) FROM textclf_deployment;
SELECT count(*) FROM textclf_permission;
RESET ROLE;

-- a grant lets a role use it, and its members
SET ROLE regress_textclf_owner;
SELECT textclf_grant('m', 'regress_textclf_team');
SELECT textclf_grant('m', 'regress_textclf_team');
SET ROLE regress_textclf_member;
SELECT textclf_predict('m', 'left') IS NOT NULL AS allowed, (SELECT count(*) FROM textclf_history('m')) AS epochs;
SELECT name, owner FROM textclf_models;
SELECT textclf_export('m');
SELECT textclf_drop('m');
SET ROLE regress_textclf_other;
SELECT textclf_predict('m', 'left');
-- membership counts at once, in a cached plan, under an old snapshot
RESET ROLE;
BEGIN ISOLATION LEVEL REPEATABLE READ;
PREPARE ask AS SELECT textclf_predict('m', 'left') IS NOT NULL AS allowed;
EXECUTE ask;
GRANT regress_textclf_team TO regress_textclf_other;
SET LOCAL ROLE regress_textclf_other;
EXECUTE ask;
RESET ROLE;
REVOKE regress_textclf_team FROM regress_textclf_other;
SET LOCAL ROLE regress_textclf_other;
EXECUTE ask;
ROLLBACK;
SET ROLE regress_textclf_owner;
SELECT textclf_revoke('m', 'regress_textclf_team');
SELECT textclf_revoke('m', 'regress_textclf_team');
SET ROLE regress_textclf_member;
SELECT textclf_predict('m', 'left');

-- everyone
SET ROLE regress_textclf_owner;
SELECT textclf_grant('m', '-');
SET ROLE regress_textclf_other;
SELECT textclf_predict('m', 'left') IS NOT NULL AS allowed;
SELECT name FROM textclf_models;
SET ROLE regress_textclf_owner;
SELECT textclf_revoke('m', '-');
SET ROLE regress_textclf_other;
SELECT textclf_predict('m', 'left');

-- a security definer function lends its owner's rights
SET ROLE regress_textclf_owner;
CREATE FUNCTION ask(doc text) RETURNS boolean SECURITY DEFINER LANGUAGE sql SET search_path = privileges, public
AS $$ SELECT textclf_predict('m', doc) IS NOT NULL $$;
SET ROLE regress_textclf_other;
SELECT ask('left');

-- the trigger runs with the rights of the role that writes
RESET ROLE;
CREATE TABLE inbox (doc text, label text);
GRANT INSERT ON inbox TO regress_textclf_other;
CREATE TRIGGER classify BEFORE INSERT ON inbox FOR EACH ROW EXECUTE FUNCTION textclf_classify('m', 'doc', 'label');
SET ROLE regress_textclf_other;
INSERT INTO inbox VALUES ('left');
RESET ROLE;

-- who may write to all tables does not write to these, which would be owning every model
CREATE ROLE regress_textclf_writer IN ROLE pg_write_all_data, pg_read_all_data;
GRANT ALL ON textclf_model, textclf_version, textclf_deployment, textclf_permission, textclf_job TO regress_textclf_writer;
CREATE FUNCTION try_writing() RETURNS TABLE (command text, outcome text) LANGUAGE plpgsql AS $$
BEGIN
	FOREACH command IN ARRAY ARRAY[
		'UPDATE textclf_model SET owner = ''regress_textclf_writer''', 'DELETE FROM textclf_model', 'DELETE FROM textclf_version',
		'INSERT INTO textclf_permission SELECT name, ''regress_textclf_writer'' FROM textclf_model',
		'UPDATE textclf_version SET bytes = ''''', 'INSERT INTO textclf_deployment SELECT model, number + 1, version FROM textclf_deployment',
		'INSERT INTO textclf_job (role, source, source_name, text_column, label_column, model, settings)
			VALUES (''regress_textclf_writer''::regrole, ''docs''::regclass, '''', '''', '''', '''', ''{}'')',
		'MERGE INTO textclf_model USING (VALUES (1)) v ON true WHEN MATCHED THEN DELETE']
	LOOP
		BEGIN
			EXECUTE command;
			outcome := 'done';
		EXCEPTION WHEN OTHERS THEN
			outcome := sqlstate || ' ' || sqlerrm;
		END;
		RETURN NEXT;
	END LOOP;
END $$;
SET ROLE regress_textclf_writer;
SELECT * FROM try_writing();
RESET ROLE;
SET session_replication_role = replica;	-- as the process of a subscription
SET ROLE regress_textclf_writer;
SELECT outcome, count(*) FROM try_writing() GROUP BY 1 ORDER BY 1;
DELETE FROM textclf_model;
RESET ROLE;
RESET session_replication_role;
-- nor empties them, and triggers of one who has that right, as GRANT ALL gives it, do not run with the rights of the owner
SET ROLE regress_textclf_writer;
TRUNCATE textclf_permission;
TRUNCATE textclf_model, textclf_version, textclf_deployment, textclf_permission, textclf_job;
RESET ROLE;
GRANT CREATE ON SCHEMA privileges TO regress_textclf_writer;
SET ROLE regress_textclf_writer;
CREATE FUNCTION usurp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE 'trigger % runs, as its creator: %', TG_NAME, current_user = 'regress_textclf_writer';
END $$;
SET client_min_messages = warning;
DO $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['model', 'version', 'deployment', 'permission', 'job'] LOOP
		EXECUTE format('CREATE TRIGGER a_row BEFORE INSERT OR UPDATE OR DELETE ON textclf_%s FOR EACH ROW EXECUTE FUNCTION usurp()', name);
		EXECUTE format('CREATE TRIGGER a_statement AFTER INSERT OR UPDATE OR DELETE ON textclf_%s EXECUTE FUNCTION usurp()', name);
		EXECUTE format('CREATE CONSTRAINT TRIGGER a_constraint AFTER INSERT OR UPDATE OR DELETE ON textclf_%s
			DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION usurp()', name);
	END LOOP;
END $$;
ALTER TABLE textclf_model ENABLE ALWAYS TRIGGER a_row;
RESET ROLE;
SELECT version FROM textclf_train('docs', 'doc', 'label', 'usurped', '{"epochs": 1, "units": 2, "embedding_dim": 2}');
SELECT textclf_deploy('usurped', 1), textclf_rename('usurped', 'other'), textclf_grant('other', 'regress_textclf_team'),
	textclf_set_owner('other', 'regress_textclf_owner'), textclf_revoke('other', 'regress_textclf_team'), textclf_drop('other');
BEGIN;
SELECT textclf_train_background('docs', 'doc', 'label', 'usurped') > 0 AS asked;
SELECT textclf_cancel(max(job)) FROM textclf_jobs;
COMMIT;
SHOW session_replication_role;
REVOKE ALL ON textclf_model, textclf_version, textclf_deployment, textclf_permission, textclf_job FROM regress_textclf_writer;
DROP OWNED BY regress_textclf_writer CASCADE;
DROP ROLE regress_textclf_writer;
RESET client_min_messages;
DELETE FROM textclf_job WHERE model = 'usurped';

-- owners
SET ROLE regress_textclf_owner;
\set VERBOSITY sqlstate
SELECT textclf_set_owner('m', 'regress_textclf_other');
\set VERBOSITY default
SELECT textclf_set_owner('m', '-');
RESET ROLE;
SELECT textclf_set_owner('m', 'regress_textclf_other');
SET ROLE regress_textclf_owner;
SELECT textclf_predict('m', 'left');
SET ROLE regress_textclf_other;
SELECT textclf_predict('m', 'left') IS NOT NULL AS allowed;
RESET ROLE;
SELECT textclf_predict('m', 'left') IS NOT NULL AS superuser;
-- a role that is gone
SELECT textclf_grant('m', 'regress_textclf_team');
SELECT textclf_grant('m', 4294967295::oid::regrole);
DROP TABLE inbox;
DROP OWNED BY regress_textclf_owner CASCADE;
DROP ROLE regress_textclf_member, regress_textclf_other;
SELECT name, owner::text ~ '^\d+$' AS orphaned FROM textclf_models WHERE name = 'm';
SELECT textclf_set_owner('m', current_user::regrole);
SELECT textclf_revoke('m', 'regress_textclf_team');
DROP ROLE regress_textclf_team;

-- Settings that concern the whole server are for its superuser.
SET ROLE regress_textclf_owner;
SET textclf.blas_library = '/tmp/evil.so';
SET textclf.max_model_size = '500MB';
SET textclf.cache_size = '1MB';
SET textclf.no_such_setting = 1;
RESET ROLE;
SELECT textclf_drop('m'), textclf_drop('filtered');
DROP ROLE regress_textclf_owner;

-- leave nothing
SET client_min_messages = warning;
SELECT count(textclf_drop(name)) FROM (SELECT DISTINCT name FROM textclf_models) m;
DROP SCHEMA privileges CASCADE;
