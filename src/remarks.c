/*
 * remarks.c
 *	  What is worth knowing of a training beside its figures.
 *
 * Whoever waits for a training is told at once; a background job keeps it for
 * those who look later.  It must never quote a text or a label.
 */
#include "postgres.h"

#include <math.h>

#include "remarks.h"

/* detail, hint: sentences, or NULL */
static void
say(StringInfo kept, const char *message, const char *detail, const char *hint)
{
	if (kept == NULL)
	{
		ereport(NOTICE,
				(errmsg_internal("%s", message),
				 detail != NULL ? errdetail_internal("%s", detail) : 0,
				 hint != NULL ? errhint("%s", hint) : 0));
		return;
	}
	if (kept->len > 0)
		appendStringInfoChar(kept, '\n');
	appendStringInfoString(kept, message);
	if (detail != NULL)
		appendStringInfo(kept, "\n%s", detail);
	if (hint != NULL)
		appendStringInfo(kept, "\n%s", hint);
}

void
RemarkOrigin(StringInfo kept, const TrainRequest *request, const Training *training)
{
	ClfOrigin	origin = TrainingOrigin(training);

	if (request->start_version != NULL)
		say(kept, psprintf(_("starting from model \"%s\": it knows %lld of %lld words and %d of %d labels"),
						   request->start_version, (long long) origin.words_of_model,
						   (long long) origin.words, origin.labels_of_model, origin.labels),
			NULL, NULL);
	if (request->embeddings_name != NULL)
		say(kept, psprintf(_("%lld of %lld words have a vector in %s"),
						   (long long) origin.words_of_vectors, (long long) origin.words,
						   request->embeddings_name),
			NULL, NULL);
}

void
RemarkSubset(StringInfo kept, const Training *training)
{
	const ClfSummary *summary = TrainingSummary(training);

	if (summary->wide_rows < summary->wide_rows_wanted)
		say(kept, psprintf(_("n-grams have learned from %lld of %lld rows"),
						   (long long) summary->wide_rows, (long long) summary->wide_rows_wanted),
			NULL, _("There was no room for more in textclf.training_memory."));
}

void
RemarkWorse(StringInfo kept, const TrainRequest *request, const TrainResult *result)
{
	const char *detail;
	const char *hint = _("Compare them with textclf_evaluate and rows of your own, and use textclf_deploy.");

	if (!result->worse)
		return;
	if (isnan(result->new_f1))
		detail = _("There were too few rows to hold some back and judge it by them.");
	else if (isnan(result->deployed_f1))
		detail = _("It is not known how the deployed version does on rows that it has not learned from.");
	else
	{
		detail = psprintf(_("On validation rows its macro F1 is %.3f; the deployed version has %.3f."),
						  result->new_f1, result->deployed_f1);
		hint = NULL;
	}
	say(kept, psprintf(_("the new version of model \"%s\" is not deployed"), request->model),
		detail, hint);
}
