/*
 * guard.h
 *	  The triggers of the extension's own tables.
 */
#ifndef TEXTCLF_GUARD_H
#define TEXTCLF_GUARD_H

/*
 * Warn if triggers of the tables do not fire always, and tell the statements that
 * mend it.
 */
extern void GuardVerify(void);

#endif							/* TEXTCLF_GUARD_H */
