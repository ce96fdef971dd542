/*
 * test_symbols.c
 *	  The engine's objects, as the linker sees them: no external name without
 *	  the prefix, and none of the functions that an engine in a server must not
 *	  call.  Reads the objects of this very build with nm.
 */
#include "unit.h"

static const char *const forbidden[] = {
	"exit", "_exit", "abort", "printf", "fprintf", "puts", "putchar", "perror", "fwrite", "stderr", "stdout",
	"signal", "setlocale", "setenv", "getenv", "malloc", "calloc", "realloc", "rand", "srand", "random",
	"__assert_fail", "longjmp", "pthread_create", "fork", "system", "fopen", "open"
};

/* Run nm and give each name to check; fails the test if there is none. */
static void
each_symbol(const char *option, bool (*bad) (const char *name))
{
	char		command[200];
	char		line[500];
	FILE	   *nm;
	int			count = 0;

	snprintf(command, sizeof command, "nm -P -g %s build/unit/engine/*.o", option);
	nm = popen(command, "r");
	CHECK(nm != NULL, "nm cannot be started");
	while (fgets(line, sizeof line, nm) != NULL)
	{
		char	   *space = strchr(line, ' ');

		if (space == NULL)
			continue;			/* the name of an object */
		*space = '\0';
		count++;
		if (bad(line))
			unit_fail(__FILE__, __LINE__, "%s", line);
	}
	pclose(nm);
	CHECK(count > 50, "nm shows %d names only", count);
}

static bool
lacks_prefix(const char *name)
{
	return strncmp(name, "clf_", 4) != 0 && strncmp(name, "__asan", 6) != 0 &&
		strncmp(name, "__odr_asan", 10) != 0;
}

static bool
is_forbidden(const char *name)
{
	for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0]; i++)
		if (strcmp(name, forbidden[i]) == 0)
			return true;
	return false;
}

static void
names_have_the_prefix(void)
{
	each_symbol("--defined-only", lacks_prefix);
}

static void
forbidden_functions_are_not_called(void)
{
	each_symbol("--undefined-only", is_forbidden);
}

int
main(void)
{
	RUN(names_have_the_prefix);
	RUN(forbidden_functions_are_not_called);
	return UNIT_RESULT();
}
