/*
 * estimate.c
 *	  How long a prediction will take.
 */
#include "model.h"
#include "packed.h"

/* Seconds, by measurements of one text at a time on a core with AVX-512. */
#define TOKEN_BYTES 6			/* of a text */
#define TOKEN_SECONDS 2e-7		/* to tokenise and look up one */
#define GRAM_SECONDS 4e-8		/* to hash and look one up */
#define UNIT_SECONDS 1.3e-9		/* of an LSTM's cell, and a step */
#define PRODUCT_SECONDS 2.5e-11	/* a multiplication; in single precision one text at a time */
#define PAIRS_SECONDS 1.7e-11	/* the same with recurrent weights in pairs */
#define TOGETHER_SECONDS 1.4e-11	/* of several texts, in either form */
#define BYTES_SECONDS 6e-12		/* of bytes */

double
clf_predict_seconds(const ClfModel *model, double bytes, bool together)
{
	const ClfConfig *config = &model->config;
	double		C = (double) model->labels.count;
	double		tokens = bytes / TOKEN_BYTES + 1;
	double		seconds = tokens * TOKEN_SECONDS;

	if (clf_has_wide(config))
	{
		double		grams = config->char_ngrams ? 4 * bytes : 3 * tokens;

		seconds += grams * (GRAM_SECONDS + C * PRODUCT_SECONDS);
	}
	if (clf_has_deep(config))
	{
		double		units = (double) clf_directions(config) * config->units;
		double		product = model->packed.form == CLF_PACKED_BYTES ? BYTES_SECONDS :
			together ? TOGETHER_SECONDS :
			model->packed.form == CLF_PACKED_PAIRS ? PAIRS_SECONDS : PRODUCT_SECONDS;
		double		read = tokens > config->maxlen || config->architecture == CLF_ARCH_LSTM ?
			config->maxlen : tokens;

		for (int layer = 0; layer < config->layers; layer++)
		{
			/* most input projections of the first layer are remembered */
			double		inputs = layer == 0 ? 0.2 * config->embedding_dim : units;

			seconds += read * units * (4 * (inputs + config->units) * product + UNIT_SECONDS);
		}
		seconds += C * (double) model->packed.features * TOGETHER_SECONDS;
	}
	return seconds;
}
