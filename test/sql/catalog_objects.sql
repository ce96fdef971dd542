-- The extension's objects: which there are, and that each is described.
\pset format unaligned
\pset footer off
SELECT * FROM (SELECT pg_describe_object(classid, objid, 0) AS object,
	(SELECT concat_ws(' ', CASE provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END,
			CASE proparallel WHEN 's' THEN 'safe' WHEN 'r' THEN 'restricted' ELSE 'unsafe' END,
			CASE WHEN proisstrict THEN 'strict' END, CASE WHEN prosecdef THEN 'definer' END)
	FROM pg_proc p WHERE p.oid = objid AND classid = 'pg_proc'::regclass) AS kind
FROM pg_depend
WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
	AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'textclf')
	AND classid IN ('pg_proc'::regclass, 'pg_class'::regclass)) o
ORDER BY object COLLATE "C";
\pset format aligned
\pset footer on

-- without a comment: nothing
SELECT pg_describe_object(classid, objid, 0)
FROM pg_depend
WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
	AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'textclf')
	AND classid IN ('pg_proc'::regclass, 'pg_class'::regclass)
	AND coalesce(obj_description(objid, classid::regclass::name), '') = '';
SELECT a.attrelid::regclass, a.attname
FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.objid AND a.attnum > 0
JOIN pg_class c ON c.oid = d.objid AND c.relkind <> 'S'
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
	AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'textclf')
	AND col_description(a.attrelid, a.attnum) IS NULL;

-- what pg_dump carries
SELECT c::regclass FROM pg_extension, unnest(extconfig) c WHERE extname = 'textclf' ORDER BY c;
-- what everyone may read
SELECT relname, EXISTS (SELECT FROM aclexplode(relacl) a WHERE a.grantee = 0) AS public
FROM pg_class c WHERE relname LIKE 'textclf\_%' AND relkind IN ('r', 'v') ORDER BY relname;

SELECT name, value IS NOT NULL AS known FROM textclf_build_info() WHERE name NOT LIKE 'blas%' AND name <> 'cpu';
SELECT value = (SELECT extversion FROM pg_extension WHERE extname = 'textclf') AS same_version FROM textclf_build_info() WHERE name = 'textclf';

-- every setting says what it is for
SELECT name, setting, unit, context FROM pg_settings WHERE name LIKE 'textclf.%' AND name <> 'textclf.blas_library' ORDER BY name;
SELECT count(*) FROM pg_settings WHERE name LIKE 'textclf.%' AND (short_desc = '' OR extra_desc IS NULL);
