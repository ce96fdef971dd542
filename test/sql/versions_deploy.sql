-- Versions: which one a name means, and how they come and go.
CREATE SCHEMA versions_deploy;
SET search_path = versions_deploy, public;
SET textclf.progress = off;
CREATE TABLE docs AS
SELECT (ARRAY['up and away', 'down below'])[i % 2 + 1] || ' ' || i % 7 AS doc, (ARRAY['up', 'down'])[i % 2 + 1] AS label
FROM generate_series(1, 120) i;
-- a model that confuses the two labels: it learned from a table that has them the other way round
CREATE VIEW wrong_docs AS SELECT doc, CASE label WHEN 'up' THEN 'down' ELSE 'up' END AS label FROM docs;
CREATE FUNCTION train(source regclass, deploy text) RETURNS text LANGUAGE sql AS $$
	SELECT format('version %s, deployed %s', version, deployed)
	FROM textclf_train(source, 'doc', 'label', 'm', jsonb_build_object('deploy', train.deploy,
		'epochs', 30, 'units', 8, 'embedding_dim', 8, 'learning_rate', 0.02))
$$;
CREATE VIEW versions AS SELECT version, deployed FROM textclf_models WHERE name = 'm' ORDER BY version;

-- never: not even the first
SELECT train('wrong_docs', 'never');
SELECT textclf_predict('m', 'up');
SELECT textclf_predict('m@1', 'up');
-- if_better: the first to be deployed has nothing to beat
SELECT train('wrong_docs', 'if_better');
SELECT textclf_predict('m', 'up');
-- one that is right beats one that is wrong on the same rows
SELECT train('docs', 'if_better');
SELECT textclf_predict('m', 'up');
-- as good is good enough
SELECT train('docs', 'if_better');
-- one that has learned nothing, a network after one tiny step, does not
SET client_min_messages = warning;
SELECT version, deployed FROM textclf_train('docs', 'doc', 'label', 'm',
	'{"architecture": "bilstm", "deploy": "if_better", "epochs": 1, "learning_rate": 1e-8, "units": 8, "embedding_dim": 8}');
RESET client_min_messages;
TABLE versions;
SELECT textclf_predict('m', 'up');
SELECT train('wrong_docs', 'always');
SELECT textclf_predict('m', 'up');

-- deploy by hand, and back
SELECT textclf_deploy('m', 3);
SELECT textclf_predict('m', 'up');
SELECT textclf_deploy('m', 6);
SELECT textclf_predict('m', 'up');
SELECT textclf_deploy('m', 7);
SELECT textclf_deploy('m', 0);
SELECT textclf_deploy('m@3', 3);
SELECT textclf_deploy('no such model', 1);
SELECT textclf_deploy('m', NULL) IS NULL;

-- drop one
SELECT textclf_drop('m@1');
SELECT textclf_predict('m@1', 'up');
SELECT textclf_drop('m@1');
SELECT textclf_drop('m@6');
TABLE versions;

-- the number of a version that was deployed is not given again
SELECT textclf_deploy('m', 4);
SELECT textclf_drop('m@6');
SELECT train('docs', 'never');

-- trim
SET textclf.keep_versions = 2;
SELECT train('docs', 'never');
TABLE versions;
RESET textclf.keep_versions;

-- rename
SELECT textclf_rename('m', 'n');
SELECT textclf_predict('m', 'up');
SELECT textclf_predict('n', 'up');
SELECT name, version, deployed FROM textclf_models ORDER BY version;
SELECT textclf_rename('n', 'n@1');
SELECT textclf_rename('n', '');
SELECT textclf_rename('m', 'o');
SELECT version FROM textclf_train('docs', 'doc', 'label', 'm', '{"epochs": 1, "units": 4}');
SELECT textclf_rename('m', 'n');
SELECT textclf_rename('m', 'm');
SELECT textclf_rename('m', 'o');

-- drop all
SELECT textclf_drop('n');
SELECT textclf_predict('n', 'up');
SELECT textclf_drop('n');
SELECT textclf_drop('o');
SELECT count(*) FROM textclf_models;
SELECT (SELECT count(*) FROM textclf_model) + (SELECT count(*) FROM textclf_version)
	+ (SELECT count(*) FROM textclf_deployment) + (SELECT count(*) FROM textclf_permission) AS rows_left;

-- leave nothing
SET client_min_messages = warning;
SELECT count(textclf_drop(name)) FROM (SELECT DISTINCT name FROM textclf_models) m;
DROP SCHEMA versions_deploy CASCADE;
