/*
 * cost.c
 *	  SQL: textclf_predict_support, what the planner is told of the predict family.
 *
 * What a call costs depends on the model.  If it is named in the query and in
 * the memory of this session, its size decides; otherwise the planner takes
 * the COST of the function, which suits the default model.  Nothing is loaded
 * or looked up for a plan, and no error comes from here.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "fmgr.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "compat.h"
#include "model_cache.h"

#define OPERATOR_SECONDS 5e-8	/* what cpu_operator_cost stands for: a call of a simple function */
#define USUAL_BYTES 200			/* of a text of which nothing is known */

PG_FUNCTION_INFO_V1(textclf_predict_support);

/* An argument of a call, or NULL. */
static Node *
argument(Node *call, int index)
{
	List	   *arguments = call != NULL && IsA(call, FuncExpr) ? ((FuncExpr *) call)->args : NIL;

	return index < list_length(arguments) ? list_nth(arguments, index) : NULL;
}

/* The model that a call names, if this session has it in memory, or NULL. */
static const ClfModel *
named_model(Node *call)
{
	Const	   *reference = (Const *) argument(call, 0);
	char	   *name;
	const ClfModel *model;

	if (reference == NULL || !IsA(reference, Const) || reference->constisnull)
		return NULL;
	name = TextDatumGetCString(reference->constvalue);
	model = ModelCachePeek(name);
	pfree(name);
	return model;
}

/* Bytes of a text: of a constant its own, of a column what ANALYZE has found. */
static double
text_bytes(PlannerInfo *root, Node *text)
{
	if (text != NULL && IsA(text, Const) && !((Const *) text)->constisnull)
		return toast_raw_datum_size(((Const *) text)->constvalue);
	if (text != NULL && IsA(text, Var) && root != NULL && ((Var *) text)->varlevelsup == 0 &&
		!IS_SPECIAL_VARNO(((Var *) text)->varno))
	{
		Var		   *column = (Var *) text;
		RangeTblEntry *entry = planner_rt_fetch(column->varno, root);
		int32		width = entry->rtekind == RTE_RELATION ?
			get_attavgwidth(entry->relid, column->varattno) : 0;

		if (width > 0)
			return width;
	}
	return USUAL_BYTES;
}

/* Answer a request for the cost of a call; false: there is no better than that of the function. */
static bool
estimate_cost(SupportRequestCost *request)
{
	const ClfModel *model = named_model(request->node);
	Node	   *doc = argument(request->node, 1);
	double		seconds;

	if (model == NULL)
		return false;
	if (type_is_array(exprType(doc)))
		seconds = CompatEstimateArrayLength(request->root, doc) *
			clf_predict_seconds(model, USUAL_BYTES, true);
	else
		seconds = clf_predict_seconds(model, text_bytes(request->root, doc), false);
	request->startup = 0;
	request->per_tuple = seconds / OPERATOR_SECONDS * cpu_operator_cost;
	return true;
}

/* Answer a request for the rows of textclf_predict_proba: labels, at most top_k. */
static bool
estimate_rows(SupportRequestRows *request)
{
	const ClfModel *model = named_model(request->node);
	Const	   *top_k = (Const *) argument(request->node, 2);
	bool		limited = top_k != NULL && IsA(top_k, Const) && !top_k->constisnull;

	if (model == NULL && !limited)
		return false;
	request->rows = model != NULL ? clf_model_classes(model) : DatumGetInt32(top_k->constvalue);
	if (limited)
		request->rows = Min(request->rows, DatumGetInt32(top_k->constvalue));
	request->rows = Max(request->rows, 1);
	return true;
}

/* textclf_predict_support(internal): the support function of the predict family. */
Datum
textclf_predict_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);
	bool		answered = false;

	if (IsA(request, SupportRequestCost))
		answered = estimate_cost((SupportRequestCost *) request);
	else if (IsA(request, SupportRequestRows))
		answered = estimate_rows((SupportRequestRows *) request);
	PG_RETURN_POINTER(answered ? request : NULL);
}
