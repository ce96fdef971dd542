/*
 * version.h
 *	  The version of this library.  The Makefile takes it from textclf.control.
 */
#ifndef TEXTCLF_VERSION_H
#define TEXTCLF_VERSION_H

#ifndef TEXTCLF_VERSION
#define TEXTCLF_VERSION "unknown"
#endif

#endif							/* TEXTCLF_VERSION_H */
