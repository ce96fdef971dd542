/*
 * guc.h
 *	  The settings of textclf.  guc.c says what each is for.
 */
#ifndef TEXTCLF_GUC_H
#define TEXTCLF_GUC_H

#include "postgres.h"

extern int	textclf_cache_size; /* kB */
extern int	textclf_shared_cache_size;	/* kB */
extern int	textclf_training_memory;	/* kB */
extern int	textclf_max_model_size; /* kB */
extern int	textclf_keep_versions;
extern char *textclf_blas_library;
extern bool textclf_progress;

/* Define the settings.  Called once, when the library is loaded. */
extern void GucInit(void);

/* A setting in kB as bytes. */
static inline Size
GucKilobytes(int setting)
{
	return (Size) setting * 1024;
}

#endif							/* TEXTCLF_GUC_H */
