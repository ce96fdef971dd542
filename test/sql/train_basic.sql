-- A table of texts and labels becomes a model that classifies.
CREATE SCHEMA train_basic;
SET search_path = train_basic, public;
SET textclf.progress = off;

CREATE TABLE news (id int, body text, topic text);
INSERT INTO news
SELECT i,
	(ARRAY['the goal of the match', 'the price of the share', 'the light of the star'])[i % 3 + 1] || ' number' || i % 17,
	(ARRAY['sport', 'business', 'science'])[i % 3 + 1]
FROM generate_series(1, 300) i;

-- name of the model: that of the table
SELECT model, version, deployed, rows, skipped, classes,
	epochs BETWEEN 1 AND 20 AS epochs, round(accuracy::numeric, 1) AS accuracy,
	round(macro_f1::numeric, 1) AS macro_f1, deep_accuracy > 0 AS deep, wide_accuracy > 0 AS wide, seconds > 0 AS seconds
FROM textclf_train('news', 'body', 'topic', options => '{"epochs": 20, "units": 8, "embedding_dim": 8, "learning_rate": 0.02}');

SELECT textclf_predict('news', 'the goal of the match'), textclf_predict('news', 'the price of the share'),
	textclf_predict('news', 'the light of the star');

-- everything that is remembered
SELECT name, version, deployed, source, text_column, label_column, classes, rows,
	round(accuracy::numeric, 1) AS accuracy, parameters > 0 AS parameters, bytes > 1000 AS bytes,
	deep_accuracy > 0 AS deep, wide_accuracy > 0 AS wide, calibration_error >= 0 AS calibrated,
	options ->> 'units' AS units, options ->> 'architecture' AS architecture
FROM textclf_models;
SELECT count(*) = max(epoch) AS every_epoch, bool_and(loss > 0), bool_and(val_loss > 0),
	bool_and(accuracy BETWEEN 0 AND 1), bool_and(val_accuracy BETWEEN 0 AND 1), bool_and(seconds >= 0)
FROM textclf_history('news');

-- the validation losses as a curve: blocks, or what a client without them can read
SET client_encoding = 'UTF8';
SELECT bool_and(val_curve ~ '^[▁▂▃▄▅▆▇█]+$') AS blocks, bool_and(length(val_curve) = least(epoch, 40)) AS length,
	max(right(val_curve, 1)) FILTER (WHERE val_loss = low) AS low, max(right(val_curve, 1)) FILTER (WHERE val_loss = high) AS high
FROM textclf_history('news'), (SELECT min(val_loss) AS low, max(val_loss) AS high FROM textclf_history('news')) r;
SET client_encoding = 'LATIN1';
SELECT bool_and(val_curve ~ '^[_.~=+*#-]+$') AS ascii,
	max(right(val_curve, 1)) FILTER (WHERE val_loss = low) AS low, max(right(val_curve, 1)) FILTER (WHERE val_loss = high) AS high
FROM textclf_history('news'), (SELECT min(val_loss) AS low, max(val_loss) AS high FROM textclf_history('news')) r;
RESET client_encoding;

-- The order of the rows in the table decides nothing: the same weights.
CREATE TABLE news_reversed AS SELECT * FROM news ORDER BY id DESC;
SELECT version FROM textclf_train('news_reversed', 'body', 'topic', 'reversed', '{"epochs": 20, "units": 8, "embedding_dim": 8, "learning_rate": 0.02}');
SELECT count(DISTINCT textclf_probability(m, body, topic)) AS answers
FROM (SELECT * FROM news WHERE id <= 20) n, (VALUES ('news'), ('reversed')) v(m)
GROUP BY id HAVING count(DISTINCT textclf_probability(m, body, topic)) > 1;

-- The seed does.
SELECT version FROM textclf_train('news', 'body', 'topic', 'seeded', '{"epochs": 20, "units": 8, "embedding_dim": 8, "learning_rate": 0.02, "seed": 7}');
SELECT textclf_probability('seeded', 'a goal', 'sport') <> textclf_probability('news', 'a goal', 'sport') AS differs;

-- without validation rows there are no figures
SELECT accuracy, macro_f1 FROM textclf_train('news', 'body', 'topic', 'unjudged', '{"epochs": 2, "units": 8, "validation_split": 0}');
SELECT accuracy, macro_f1 FROM textclf_models WHERE name = 'unjudged';
SELECT count(*) FROM textclf_history('unjudged') WHERE val_loss IS NOT NULL OR val_curve IS NOT NULL;

-- what is remembered does not depend on how many digits a session wants to see
SET extra_float_digits = -15;
SELECT version FROM textclf_train('news', 'body', 'topic', 'digits', '{"epochs": 2, "units": 8, "learning_rate": 0.0123}');
RESET extra_float_digits;
SELECT options -> 'learning_rate' AS learning_rate FROM textclf_models WHERE name = 'digits';
SELECT bool_and(loss <> round(loss::numeric, 1)::float8) AS digits FROM textclf_history('digits');

-- the textbook network
SELECT classes, accuracy > 0.9 AS accurate FROM textclf_train('news', 'body', 'topic', 'stacked',
	'{"architecture": "lstm", "tokenizer": "keras", "epochs": 20, "units": 8, "embedding_dim": 8, "maxlen": 8, "learning_rate": 0.01}');
SELECT textclf_predict('stacked', 'the goal of the match');

-- few rows are learned from, with a warning
CREATE TABLE tiny (doc text, label text);
INSERT INTO tiny VALUES ('yes of course', 'yes'), ('yes indeed', 'yes'), ('no never', 'no'), ('no thanks', 'no');
SELECT rows, classes FROM textclf_train('tiny', 'doc', 'label', options => '{"epochs": 2, "units": 4}');

-- leave nothing
SET client_min_messages = warning;
SELECT count(textclf_drop(name)) FROM (SELECT DISTINCT name FROM textclf_models) m;
DROP SCHEMA train_basic CASCADE;
