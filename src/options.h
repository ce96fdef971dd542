/*
 * options.h
 *	  The options of a training, as SQL gives them: a jsonb object.
 */
#ifndef TEXTCLF_OPTIONS_H
#define TEXTCLF_OPTIONS_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/jsonb.h"

#include "engine/clf.h"

/* When a training deploys the version that it makes. */
typedef enum DeployPolicy
{
	DEPLOY_ALWAYS,
	DEPLOY_IF_BETTER,			/* not below the deployed version on the same rows */
	DEPLOY_NEVER
} DeployPolicy;

typedef struct TrainOptions
{
	ClfConfig	config;			/* what the engine is asked for */
	int32		deploy;			/* DeployPolicy */
	int32		workers;		/* processes that help; -1: as suits the server */
	char	   *warm_start;		/* reference to a model to start from, or NULL */
	char	   *embeddings;		/* name of a table of word vectors, or NULL */
	int32		train_embeddings;	/* does the training change these */
} TrainOptions;

/*
 * Fill *result from a jsonb object; keys that are missing or null keep their
 * defaults, which for the engine are those of base, or its own if that is NULL.
 * An unknown key or a value of the wrong type or out of range is an
 * error that says what is allowed.
 */
extern void OptionsParse(Jsonb *options, const ClfConfig *base,
						 TrainOptions *result);

/* The same options, with a string in place of what a key has. */
extern Jsonb *OptionsReplace(Jsonb *options, const char *key, const char *value);

/* Append the engine's configuration as a JSON object. */
extern void OptionsAppendJson(StringInfo json, const ClfConfig *config);

#endif							/* TEXTCLF_OPTIONS_H */
