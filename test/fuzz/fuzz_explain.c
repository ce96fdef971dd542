/*
 * fuzz_explain.c
 *	  libFuzzer on explanation: any text has finite weights, or a reason why not.
 *
 * The first byte chooses one of the models, the rest is the text, of which the
 * beginning is taken: an explanation takes a thousand predictions.
 */
#include "models.h"
#include "use.h"

#define LONGEST 40

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static ClfModel *models[MODELS];
	int			index = size ? data[0] % MODELS : 0;
	size_t		length = size > 1 ? size - 1 : 0;
	size_t		blocks;

	if (models[index] == NULL)
		models[index] = make_model(index, true);
	blocks = fuzz_blocks;
	(void) fuzz_explain(models[index], (const char *) data + 1, length < LONGEST ? length : LONGEST);
	FUZZ_CHECK(fuzz_blocks == blocks);
	return 0;
}
