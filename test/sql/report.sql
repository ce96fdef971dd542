-- A page about a model: what is on it, and that nothing can escape from its place.
CREATE SCHEMA report;
SET search_path = report, public;
SET textclf.progress = off;
\set VERBOSITY terse

-- names and labels that would break out of a page
CREATE TABLE "a <b> & 'c'" AS
SELECT i, (ARRAY['left hand', 'right foot', 'both eyes', 'no nose', 'an ear'])[i % 5 + 1] || ' w' || i % 7 AS "doc ""x""",
	CASE WHEN i % 12 = 0 THEN ']]></style><script>alert(1)</script>' ELSE
		(ARRAY['</title><b>&amp;', '"quotes" ''and'' `more`', 'אב' || U&'\202E' || 'ג', '😀 smile', E'line\nbreak\ttab'])[i % 5 + 1] END AS label
FROM generate_series(1, 600) i;
CREATE VIEW docs AS SELECT "doc ""x""" AS doc, label FROM "a <b> & 'c'";
SELECT version FROM textclf_train('"a <b> & ''c''"', 'doc "x"', 'label', '<i title="x"> & co', '{"epochs": 3, "units": 4}');
SELECT version FROM textclf_train('docs', 'doc', 'label', 'm', '{"epochs": 3, "units": 4, "deploy": "never"}');

CREATE TABLE page AS SELECT textclf_report('<i title="x"> & co') AS html;
-- it is whole: XML, too, and of ASCII alone; it asks for nothing and runs nothing
SELECT xml_is_well_formed_document(html) AS well_formed, html ~ '^[\x0a\x20-\x7e]*$' AS ascii FROM page;
SELECT regexp_matches(html, 'https?:|//|<script|javascript:|\mon[a-z]+=|\msrc=|\mhref=|url\(|@import|<img|<iframe|<link|<object|<form', 'gi') FROM page;
SELECT html LIKE '%http-equiv="Content-Security-Policy" content="default-src ''none''; style-src ''unsafe-inline''"%' AS locked FROM page;

-- what a query finds on it, as the reader sees it
CREATE FUNCTION found(path text, html text) RETURNS SETOF text LANGUAGE sql AS
	$$ SELECT seen FROM xmltable(path PASSING xmlparse(document html) COLUMNS seen text PATH '.') $$;
CREATE FUNCTION found(path text) RETURNS SETOF text LANGUAGE sql AS $$ SELECT found(path, html) FROM page $$;
SELECT * FROM found('//title[1][parent::head]/text()');
SELECT * FROM found('//h1');
SELECT * FROM found('//h2');
SELECT * FROM found('//section[@id="training"]/dl/dt/text() | //section[@id="training"]/dl/dd');
SELECT * FROM found('//dl[@class="options"]/div[dt="epochs" or dt="units" or dt="architecture"]/dd');
-- the labels are those of the rows, with signs for what would not show or turn the line around
SELECT count(*), count(*) FILTER (WHERE seen IN (SELECT translate(label, E'\n\t' || U&'\202E', U&'\240A\2409\FFFD') FROM docs)) AS right
FROM found('//section[@id="labels"]//tbody/tr/th') seen;
-- and the figures those of textclf_evaluate and textclf_confusion_matrix
SELECT string_agg(translate(seen, U&'\202F% ,', ''), ' ') = (SELECT string_agg(figure, ' ') FROM (
	SELECT unnest(ARRAY[round(100 * "precision"::numeric, 1)::text, round(100 * recall::numeric, 1)::text, round(100 * f1::numeric, 1)::text, support::text]) AS figure
	FROM (SELECT * FROM textclf_evaluate('<i title="x"> & co') WHERE "precision" IS NOT NULL AND label NOT LIKE '% avg' ORDER BY label COLLATE "C") e) f) AS same
FROM found('//section[@id="labels"]//tbody/tr/td[position() < 5]') seen;
SELECT sum(seen::int) = (SELECT sum(n) FROM textclf_confusion_matrix('<i title="x"> & co')) AS same, count(*)
FROM found('//section[@id="matrix"]//tbody/tr/td') seen;
SELECT bool_and(seen::int = n) AS same, count(*) > 0 AS some FROM (SELECT seen, row_number() OVER () AS i FROM found('//section[@id="pairs"]//tbody/tr/td[2]') seen) s
JOIN (SELECT n, row_number() OVER (ORDER BY n DESC) AS i FROM textclf_confusion_matrix('<i title="x"> & co') WHERE actual <> predicted) c USING (i);
SELECT count(*) FROM found('//section[@id="curves"]//tbody/tr');
SELECT * FROM found('//svg[@role="img"]/title/text()');
SELECT count(*) FILTER (WHERE seen = '') AS undescribed FROM found('//svg[@role="img"]/desc') seen;
-- every drawing that is not described is hidden from those who are read the page
SELECT count(*) FROM found('//svg[not(@role="img") and not(@aria-hidden="true")]');
-- which version it is about
SELECT seen LIKE '%not the deployed one%' AS other FROM found('//header/p', textclf_report('m@1')) seen;
SELECT textclf_deploy('m', 1);
SELECT seen LIKE '%not the deployed one%' AS other FROM found('//header/p', textclf_report('m')) seen;

-- nothing held back: it says so, and there is nothing to draw of it
SELECT version FROM textclf_train('docs', 'doc', 'label', 'unjudged', '{"epochs": 1, "units": 2, "validation_split": 0}');
SELECT * FROM found('//section[@id="figures"]/p', textclf_report('unjudged'));
SELECT * FROM found('//h2', textclf_report('unjudged'));
SELECT xml_is_well_formed_document(textclf_report('unjudged'));
-- no network, an imported model
SELECT version FROM textclf_train('docs', 'doc', 'label', 'linear', '{"architecture": "linear"}');
SELECT * FROM found('//section[@id="curves"]/p', textclf_report('linear'));
SELECT textclf_import('copy', textclf_export('linear'));
SELECT regexp_replace(textclf_report('copy'), '.*<main>', '') = regexp_replace(replace(textclf_report('linear'), 'linear@', 'copy@'), '.*<main>', '') AS same;
SELECT version FROM textclf_train('docs', 'doc', 'label', 'warm', '{"warm_start": "m", "epochs": 1}');
SELECT * FROM found('//section[@id="training"]/dl/dd[preceding-sibling::dt[1]="Began with"]', textclf_report('warm'));

-- many labels: those that matter, and the rest folded away
CREATE TABLE many AS
SELECT 'word' || i % 150 || CASE WHEN i % 9 = 0 THEN '' ELSE ' more' || i % 150 END AS doc, 'label ' || (i + (i % 5 = 0)::int) % 150 AS label
FROM generate_series(1, 3000) i;
SELECT version FROM textclf_train('many', 'doc', 'label', 'many', '{"architecture": "linear", "char_ngrams": false, "wide_c": 10, "validation_split": 0.3}');
UPDATE page SET html = textclf_report('many');
SELECT xml_is_well_formed_document(html), length(html) < 200000 AS small FROM page;
SELECT count(*) AS matrix FROM found('//section[@id="matrix"]//tbody/tr');
SELECT sum(seen::int) = (SELECT sum(n) FROM textclf_confusion_matrix('many')) AS whole FROM found('//section[@id="matrix"]//tbody/tr/td') seen;
SELECT count(*) AS shown FROM found('//section[@id="labels"]/div//tbody/tr');
SELECT count(*) AS folded FROM found('//section[@id="labels"]/details//tbody/tr');

-- asked for wrongly
SELECT textclf_report(NULL) IS NULL AS nothing;
SELECT textclf_report('nobody');
SELECT textclf_report('m@7');
-- it reads only
BEGIN READ ONLY;
SELECT length(textclf_report('m')) > 1000 AS read;
ROLLBACK;
-- by whom a model may be used, who may see the page: that needs no right on the rows
CREATE ROLE regress_textclf_reader;
GRANT USAGE ON SCHEMA report TO regress_textclf_reader;
SET ROLE regress_textclf_reader;
SELECT textclf_report('m');
RESET ROLE;
SELECT textclf_grant('m', 'regress_textclf_reader');
SET ROLE regress_textclf_reader;
SELECT length(textclf_report('m')) > 1000 AS read;
SELECT textclf_report('many');
RESET ROLE;

-- leave nothing
SET client_min_messages = warning;
SELECT count(textclf_drop(name)) FROM (SELECT DISTINCT name FROM textclf_models) m;
DROP SCHEMA report CASCADE;
DROP ROLE regress_textclf_reader;
