-- What cannot be trained is refused with an error that helps.
CREATE SCHEMA train_options_errors;
SET search_path = train_options_errors, public;
SET textclf.progress = off;
\set VERBOSITY default

CREATE TABLE docs (doc text, label text, day date, score numeric);
INSERT INTO docs SELECT 'text ' || i, (ARRAY['a', 'b'])[i % 2 + 1] FROM generate_series(1, 100) i;

-- arguments
SELECT textclf_train(NULL, 'doc', 'label');
SELECT textclf_train('docs', NULL, 'label');
SELECT textclf_train('docs', 'doc', NULL);
SELECT textclf_train('no_such_table', 'doc', 'label');
SELECT textclf_train('docs', 'body', 'label');
SELECT textclf_train('docs', 'doc', 'topic');
SELECT textclf_train('docs', 'doc', 'ctid');
SELECT textclf_train('docs', 'day', 'label');
SELECT textclf_train('docs', 'doc', 'day');
SELECT textclf_train('docs', 'doc', 'score');
CREATE SEQUENCE numbers;
SELECT textclf_train('numbers', 'doc', 'label');

-- names of models
SELECT textclf_train('docs', 'doc', 'label', '');
SELECT textclf_train('docs', 'doc', 'label', 'docs@2');
SELECT textclf_train('docs', 'doc', 'label', '{"epochs": 3}');
SELECT textclf_train('docs', 'doc', 'label', repeat('x', 256));
CREATE VIEW "at@sign" AS SELECT * FROM docs;
SELECT textclf_train('"at@sign"', 'doc', 'label');

-- options
SELECT textclf_train('docs', 'doc', 'label', options => '[]');
SELECT textclf_train('docs', 'doc', 'label', options => '"epochs"');
\set VERBOSITY terse
SELECT textclf_train('docs', 'doc', 'label', options => '{"epoch": 3}');
\set VERBOSITY default
DO $$
DECLARE
	option text;
	detail text;
	hint text;
BEGIN
	FOREACH option IN ARRAY ARRAY[
		'{"epochs": 0}', '{"epochs": 2.5}', '{"epochs": "3"}', '{"epochs": true}', '{"epochs": [3]}', '{"epochs": 1e400}',
		'{"dropout": -0.1}', '{"dropout": 1}', '{"dropout": "a"}',
		'{"bidirectional": 1}', '{"bidirectional": "yes"}',
		'{"optimizer": "adamw"}', '{"optimizer": 3}', '{"loss": ""}', '{"architecture": "LSTM"}',
		'{"deploy": "maybe"}', '{"deploy": true}', '{"": 1}']
	LOOP
		BEGIN
			PERFORM textclf_train('docs', 'doc', 'label', options => option::jsonb);
			RAISE EXCEPTION 'accepted: %', option;
		EXCEPTION WHEN invalid_parameter_value THEN
			GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
			RAISE INFO '%: % % %', option, sqlerrm, detail,
				CASE WHEN hint LIKE 'The options are%' THEN '(hint)' END;
		END;
	END LOOP;
END $$;

-- null keeps the default, for one option and for all
SELECT rows FROM textclf_train('docs', 'doc', 'label', options => '{"epochs": 1, "units": 4, "dropout": null, "deploy": null}');
SELECT textclf_train('docs', 'doc', 'label', options => '{"deploy": "if_better", "validation_split": 0}');

-- data
CREATE TABLE empty (doc text, label text);
SELECT textclf_train('empty', 'doc', 'label');
INSERT INTO empty SELECT 'text', 'the only one' FROM generate_series(1, 10);
SELECT textclf_train('empty', 'doc', 'label');
UPDATE empty SET label = NULL;
SELECT textclf_train('empty', 'doc', 'label');

-- limits
SET textclf.training_memory = '1MB';
\set VERBOSITY sqlstate
SELECT textclf_train('docs', 'doc', 'label', options => '{"units": 1024, "embedding_dim": 1024}');
RESET textclf.training_memory;
SET textclf.max_model_size = '64kB';
SELECT textclf_train('docs', 'doc', 'label', options => '{"units": 256, "embedding_dim": 256, "epochs": 100}');
RESET textclf.max_model_size;
\set VERBOSITY default

-- nothing of all this was stored
SELECT name, version FROM textclf_models;

-- read-only transactions
BEGIN READ ONLY;
SELECT textclf_train('docs', 'doc', 'label');
ROLLBACK;

-- leave nothing
SET client_min_messages = warning;
SELECT count(textclf_drop(name)) FROM (SELECT DISTINCT name FROM textclf_models) m;
DROP SCHEMA train_options_errors CASCADE;
