-- Included by tests that must know every function of the extension, those that
-- are not written yet as well: the catalog says which there are, and the types
-- and names of their arguments say how they can be called.
--
-- every_call(model) gives one statement for each function that SQL can call;
-- takes_model: whether it has an argument that names a model.  Table docs (doc,
-- label) must exist in the current schema.
CREATE FUNCTION every_call(model text, OUT function text, OUT takes_model boolean, OUT statement text)
RETURNS SETOF record LANGUAGE sql AS $$
	SELECT p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')',
		coalesce(bool_or(a.name = 'model'), false),
		format('%s %I.%I(%s)', CASE p.prokind WHEN 'p' THEN 'CALL' ELSE 'SELECT * FROM' END, n.nspname, p.proname,
			coalesce(string_agg(format('%s::%s', CASE
				WHEN a.name = 'model' THEN quote_literal(model)
				WHEN a.name = 'new_name' THEN quote_literal(model || ' renamed')
				WHEN a.name = 'text_column' THEN '''doc'''
				WHEN a.name LIKE '%\_column' THEN '''label'''
				WHEN t.typname = 'regclass' THEN quote_literal(quote_ident(current_schema()) || '.docs')
				WHEN t.typname = 'regrole' THEN quote_literal(quote_ident(current_user))
				WHEN t.typname = 'bytea' THEN '''\x00'''
				WHEN t.typname = '_text' THEN '''{left,right}'''
				WHEN t.typname = 'jsonb' THEN '''{"epochs": 1, "units": 2, "embedding_dim": 2}'''
				WHEN t.typcategory = 'S' THEN '''left'''
				WHEN t.typcategory = 'B' THEN '''false'''
				ELSE '''1''' END, (SELECT quote_ident(nspname) FROM pg_namespace WHERE oid = t.typnamespace) || '.' || quote_ident(t.typname)), ', ' ORDER BY a.number) FILTER (WHERE t.oid IS NOT NULL), ''))
	FROM pg_extension e
		JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
		JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
		JOIN pg_namespace n ON n.oid = p.pronamespace
		LEFT JOIN LATERAL (
			SELECT row_number() OVER (ORDER BY i) AS number, p.proargnames[i] AS name,
				coalesce(p.proallargtypes[i], p.proargtypes[i - 1]) AS type
			FROM generate_series(1, coalesce(cardinality(p.proallargtypes), p.pronargs)) i
			WHERE coalesce(p.proargmodes[i], 'i') IN ('i', 'b', 'v')) a ON true
		LEFT JOIN pg_type t ON t.oid = a.type
	WHERE e.extname = 'textclf' AND p.prorettype NOT IN ('trigger'::regtype, 'internal'::regtype)
		AND 'internal'::regtype <> ALL (p.proargtypes)
	GROUP BY p.oid, n.oid
	ORDER BY 1
$$;
