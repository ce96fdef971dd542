-- What each token says for a label: places, sums, and that it matters.
CREATE SCHEMA explain;
SET search_path = explain, public;
SET textclf.progress = off;
SET client_min_messages = warning;
-- two of ten words tell the label, often another label's word is among them, and one row in ten is mislabelled
CREATE TABLE docs AS
SELECT i, (SELECT string_agg(CASE WHEN j = i * 5 % 10 OR j = i * 7 % 10 THEN (ARRAY['goal', 'match', 'share', 'price', 'star', 'light'])[2 * (i % 3) + 1 + (i + j) % 2]
		WHEN j = i * 3 % 10 AND i % 2 = 0 THEN (ARRAY['goal', 'share', 'star'])[1 + (i / 3) % 3]
		ELSE 'word' || (i * 13 + j * 31) % 37 END, ' ' ORDER BY j) FROM generate_series(1, 10) j) AS doc,
	(ARRAY['sport', 'business', 'science'])[1 + (i + (i % 10 = 9)::int) % 3] AS label
FROM generate_series(1, 600) i;
CREATE FUNCTION learn(model text, options jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT t.model FROM textclf_train('docs', 'doc', 'label', model,
		'{"epochs": 8, "units": 12, "embedding_dim": 12, "batch_size": 16, "learning_rate": 0.01, "min_rows": 1}' || options) t
$$;
SELECT learn('hybrid', '{"capitals": true}'), learn('linear', '{"architecture": "linear"}'),
	learn('lstm', '{"architecture": "lstm", "tokenizer": "keras", "layers": 1, "epochs": 20}');
RESET client_min_messages;

-- offsets select the text as it was written, whatever the normal form made of it
CREATE TABLE written AS SELECT 'ＧＯＡＬ, the ﬁnal''s  Price: 中文 é́! 👨‍👩‍👧 ´ İ'::text AS doc;
SELECT position, token, start_offset, end_offset, substr(doc, start_offset + 1, end_offset - start_offset) AS written
FROM written, textclf_explain('hybrid', doc) ORDER BY position;
SELECT count(*) = count(*) FILTER (WHERE e.token = t.token AND e.position = t.position) AS same_tokens
FROM written, textclf_explain('hybrid', doc) e FULL JOIN LATERAL textclf_tokens('hybrid', doc) t USING (position);

-- the sum is what the text moves the log-odds by, against as many unknown tokens; predictions on bytes are off by some hundredths
CREATE FUNCTION log_odds(model text, doc text, label text) RETURNS float8 LANGUAGE sql AS $$
	SELECT ln(sum(probability::float8) FILTER (WHERE p.label = log_odds.label) / sum(probability::float8) FILTER (WHERE p.label <> log_odds.label))
	FROM textclf_predict_proba(model, doc) p
$$;
SELECT m AS model, max(abs(total - (log_odds(m, doc, l) - log_odds(m, rpad('', 20, '§ '), l)))) < 0.1 AS sums_hold
FROM unnest(ARRAY['hybrid', 'linear', 'lstm']) m, unnest(ARRAY['sport', 'business', 'science']) l,
	(SELECT doc FROM docs WHERE i <= 40) d, LATERAL (SELECT sum(weight) AS total FROM textclf_explain(m, doc, l)) e
GROUP BY m ORDER BY m;

-- a network that jumps, for its training diverged: what no token moved is a row of its own, and the sums hold
SET client_min_messages = warning;
SELECT learn('diverged', '{"architecture": "lstm", "tokenizer": "keras", "layers": 1, "epochs": 5, "learning_rate": 3, "precision": "float32"}');
RESET client_min_messages;
SELECT bool_and(abs(total - (log_odds('diverged', doc, l) - log_odds('diverged', rpad('', 20, '§ '), l))) < 0.1) AS sums_hold, bool_or(rest) AS with_rest,
	max(rows) - min(rows) <= 1 AS one_row, bool_and(blank) AS weight_only
FROM (SELECT doc FROM docs WHERE i <= 40) d, unnest(ARRAY['sport', 'business', 'science']) l,
	LATERAL (SELECT sum(weight) AS total, count(*) AS rows, bool_or(token IS NULL) AS rest,
		bool_and((token IS NULL) = (position IS NULL AND start_offset IS NULL AND end_offset IS NULL)) AS blank FROM textclf_explain('diverged', doc, l)) e;

-- without the token of the largest weight the label's probability falls by far more than without one at random
WITH removed AS (
	SELECT m, i, weight,
		textclf_probability(m, doc, label) - textclf_probability(m, overlay(doc PLACING '' FROM start_offset + 1 FOR end_offset - start_offset), label) AS fall
	FROM unnest(ARRAY['hybrid', 'linear', 'lstm']) m, LATERAL (SELECT i, doc, textclf_predict(m, doc) AS label FROM docs WHERE i <= 100) d,
		textclf_explain(m, doc)
), texts AS (
	SELECT m, i, (array_agg(fall ORDER BY weight DESC))[1] AS top, avg(fall) AS random, corr(weight, fall) AS agreement FROM removed GROUP BY m, i
)
SELECT m AS model, avg(top) > 3 * avg(random) AS top_counts_more, avg((top > random)::int) > 0.7 AS in_most_texts, avg(agreement) > 0.4 AS weights_agree
FROM texts GROUP BY m ORDER BY m;

-- the label is the predicted one unless it is given
SELECT count(*) AS differ FROM docs, textclf_explain('hybrid', doc) a JOIN textclf_explain('hybrid', doc, textclf_predict('hybrid', doc)) b USING (position)
WHERE i <= 10 AND a.weight <> b.weight;
SELECT token, weight > 0 AS speaks_for FROM textclf_explain('hybrid', 'goal price', 'sport') ORDER BY position;
SELECT count(*) FROM textclf_explain('hybrid', '');
SELECT count(*) FROM textclf_explain('hybrid', NULL);
SELECT count(*) FROM textclf_explain(NULL, 'goal');
SELECT * FROM textclf_explain('hybrid', 'goal', 'weather');
SELECT * FROM textclf_explain('no_such_model', 'goal');
SELECT count(*) FROM textclf_explain('lstm', repeat('goal price star ', 5000));

-- leave nothing
SET client_min_messages = warning;
SELECT count(textclf_drop(name)) FROM (SELECT DISTINCT name FROM textclf_models) m;
DROP SCHEMA explain CASCADE;
