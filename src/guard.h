/*
 * guard.h
 *	  The triggers of the extension's own tables.
 */
#ifndef TEXTCLF_GUARD_H
#define TEXTCLF_GUARD_H

/*
 * Warn if triggers of the tables do not fire always, or others have rights on these that are
 * as good as those of the owner, and tell the statements that mend it.
 */
extern void GuardVerify(void);

#endif							/* TEXTCLF_GUARD_H */
