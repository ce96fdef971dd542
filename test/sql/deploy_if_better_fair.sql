-- deploy = if_better compares versions by rows that they have not learned from.

-- labels that have nothing to do with the texts: nobody can do better than chance
CREATE TABLE noise AS
SELECT (SELECT string_agg('w' || hashint4(i * 31 + j) % 500, ' ') FROM generate_series(1, 8) AS j) AS doc,
       CASE WHEN hashint4(i) % 2 = 0 THEN 'yes' ELSE 'no' END AS label
FROM generate_series(1, 600) AS i;
SET textclf.progress = off;

-- A version that learned its validation rows by heart at last is judged by
-- what it was before: an honest one replaces it, where the seeds are equal.
SELECT version, deployed FROM textclf_train('noise', 'doc', 'label', 'm',
	'{"architecture": "linear", "char_ngrams": false, "wide_c": 1000}');
SELECT version, deployed FROM textclf_train('noise', 'doc', 'label', 'm',
	'{"architecture": "linear", "char_ngrams": false, "wide_c": 1000, "deploy": "if_better"}');

-- the option that makes it possible
SELECT version, options -> 'refit' AS refit FROM textclf_models WHERE name = 'm' ORDER BY version;
SELECT textclf_train('noise', 'doc', 'label', 'm', '{"deploy": "if_better", "refit": true}');

-- where there is nothing to compare, it is said why
SELECT version FROM textclf_train('noise', 'doc', 'label', 'n', '{"architecture": "linear", "validation_split": 0}');
SELECT version, deployed FROM textclf_train('noise', 'doc', 'label', 'n', '{"architecture": "linear", "deploy": "if_better"}');
CREATE VIEW few AS SELECT * FROM noise LIMIT 40;
SELECT version, deployed FROM textclf_train('few', 'doc', 'label', 'm', '{"architecture": "linear", "deploy": "if_better"}');

-- leave nothing
SELECT textclf_drop('m'), textclf_drop('n');
DROP VIEW few;
DROP TABLE noise;
