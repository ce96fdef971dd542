/*
 * compat.h
 *	  Every difference between the PostgreSQL versions that textclf supports.
 *
 * Each one is wrapped in a function or macro with one meaning, so that no
 * version test stands anywhere else.  It knows nothing of textclf.
 */
#ifndef TEXTCLF_COMPAT_H
#define TEXTCLF_COMPAT_H

#include "postgres.h"

#include "catalog/pg_database.h"
#include "storage/buffile.h"
#include "utils/acl.h"
#include "utils/selfuncs.h"

#if PG_VERSION_NUM < 150000
#error "textclf needs PostgreSQL 15 or later"
#endif

#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* A row type that was made attribute by attribute has to be completed since 19. */
#if PG_VERSION_NUM < 190000
#define TupleDescFinalize(descriptor) ((void) 0)
#endif

/* Raise an error unless member may make something owned by role. */
static inline void
CompatCheckSetRole(Oid member, Oid role)
{
#if PG_VERSION_NUM >= 160000
	check_can_set_role(member, role);
#else
	check_is_member_of_role(member, role);
#endif
}

/* What a role may do with a database. */
static inline AclResult
CompatDatabaseAclCheck(Oid database, Oid role, AclMode mode)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(DatabaseRelationId, database, role, mode);
#else
	return pg_database_aclcheck(database, role, mode);
#endif
}

/* BufFileWrite took a pointer to non-const before 16. */
static inline void
CompatBufFileWrite(BufFile *file, const void *bytes, size_t size)
{
#if PG_VERSION_NUM >= 160000
	BufFileWrite(file, bytes, size);
#else
	BufFileWrite(file, unconstify(void *, bytes), size);
#endif
}

/* How many elements an expression of an array type may have. */
static inline double
CompatEstimateArrayLength(PlannerInfo *root, Node *array)
{
#if PG_VERSION_NUM >= 170000
	return estimate_array_length(root, array);
#else
	return estimate_array_length(array);
#endif
}

#endif							/* TEXTCLF_COMPAT_H */
