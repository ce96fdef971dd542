# textclf: how it is built, installed and tested.
#
#   make demo          from nothing to predictions, in a throw-away server
#   make test          every test; installs what is missing first (PARTS="unit tap": some)
#   make, make install the extension alone, for the server of PG_CONFIG
#   make unit          the engine's tests under sanitizers, without PostgreSQL
#   make fuzz          libFuzzer on all that reads model bytes, texts or patterns; 10,000,000 runs
#   make check-memory  the regression tests in a server under valgrind
#   make check-settings  the same tests with other plans, encodings, collations, servers
#   make coverage      which lines and branches the tests reach
#   make soak MINUTES=n  everything at once for so long; memory and latency stay flat
#   make test-recipes  recipes of the README that need the npm registry or a minute's wait
#   make matrix        everything on other Debian releases, in throw-away systems
#   make bench         speed of training, prediction and the first call (test/bench/speed)
#   make bench-peers   the same, and installs PyTorch and fastText to compare with
#   make bench-accuracy DATA=dir   test accuracy on data sets (test/bench/accuracy)
#   make setup         only install what is missing
#
# Nothing here needs PostgreSQL to be read: a fresh machine has no pg_config.

EXTENSION = textclf
# one place: default_version of the control file (VERSION is the server's, in PGXS)
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" $(EXTENSION).control)

# ---- sources and flags, the same for every way of building -----------------

ENGINE_SOURCES := $(sort $(wildcard src/engine/*.c))
GLUE_SOURCES := $(sort $(wildcard src/*.c))

# x86_64-linux-gnu; newer clang only knows what it calls x86_64-pc-linux-gnu
MULTIARCH := $(or $(shell $(CC) -print-multiarch 2>/dev/null),$(subst -unknown-,-,$(subst \
	-pc-,-,$(shell $(CC) -dumpmachine 2>/dev/null))))
# Prediction never needs it; training is much slower where it is missing.
BLAS_LIBRARY ?= /usr/lib/$(MULTIARCH)/openblas-serial/libopenblas.so.0

WARNINGS = -Wall -Wextra -Wmissing-prototypes -Wstrict-prototypes -Wpointer-arith \
	-Wvla -Wshadow -Wundef -Wno-unused-parameter -Wno-sign-compare \
	-Wno-psabi

# Never -ffast-math: linking with it changes the floating-point mode of the
# whole server.  These two let the compiler vectorise and change no result.
ENGINE_CFLAGS = -std=gnu11 $(WARNINGS) -Wno-declaration-after-statement \
	-fvisibility=hidden -fno-math-errno -fno-trapping-math

# Flags of single files, by their name without directory and suffix: the
# kernels for newer CPUs are the only code that may use their instructions.
CFLAGS_kernels_generic = -O3
ifneq ($(filter x86_64-%,$(MULTIARCH)),)
CFLAGS_kernels_avx2 = -O3 -mavx2 -mfma
CFLAGS_kernels_avx512 = -O3 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma \
	-mprefer-vector-width=512
CFLAGS_kernels_vnni = $(CFLAGS_kernels_avx512) -mavx512vnni
CFLAGS_kernels_bf16 = $(CFLAGS_kernels_vnni) -mavx512bf16
endif

ENGINE_LIBS = $(shell pkg-config --libs icu-i18n icu-uc jansson) -ldl -lm

# ---- the extension ---------------------------------------------------------

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)

MODULE_big = $(EXTENSION)
OBJS = $(GLUE_SOURCES:.c=.o) $(ENGINE_SOURCES:.c=.o)
DATA = $(wildcard sql/$(EXTENSION)--*--*.sql)
DATA_built = sql/$(EXTENSION)--$(EXTVERSION).sql
EXTRA_CLEAN = build sql/$(EXTENSION)--$(EXTVERSION).sql $(OBJS:.o=.d)

PG_CPPFLAGS = -MMD -MP \
	'-DTEXTCLF_VERSION="$(EXTVERSION)"' '-DTEXTCLF_BLAS_LIBRARY="$(BLAS_LIBRARY)"'
PG_CFLAGS = -Wextra -Wno-unused-parameter -Wno-sign-compare \
	-Wno-missing-field-initializers
# Only entry points of SQL are visible; PostgreSQL 15 cannot mark them itself.
SHLIB_LINK = $(ENGINE_LIBS) -Wl,--version-script=src/exports.map
# just-in-time inlining has nothing to gain from long-running C functions
override with_llvm = no

REGRESS = $(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql)))
REGRESS_OPTS = --inputdir=test --load-extension=$(EXTENSION)
ISOLATION = $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --load-extension=$(EXTENSION)
TAP_TESTS = 1
PROVE_TESTS = test/t/*.pl

ifneq ($(wildcard $(PGXS)),)

include $(PGXS)

$(ENGINE_SOURCES:.c=.o): override CFLAGS += $(ENGINE_CFLAGS) $(CFLAGS_$(basename $(@F)))

# Objects made for another server or with other flags must not be linked again.
$(OBJS): build/server Makefile
$(EXTENSION)$(DLSUFFIX): src/exports.map
build/server: build/always
	@mkdir -p build
	@{ $(PG_CONFIG) --version --cflags --includedir-server; echo '$(CC) $(COPT)'; } > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

-include $(OBJS:.o=.d)

else

.DEFAULT_GOAL = all
all install installcheck:
	@echo "The PostgreSQL server headers are missing: run 'make setup', or set PG_CONFIG." >&2; exit 1
clean:
	rm -rf $(EXTRA_CLEAN) $(OBJS)

endif

$(DATA_built): sql/$(EXTENSION).sql $(EXTENSION).control
	cp $< $@

# ---- the engine alone: objects of each kind in a directory of their own ----

SANITIZE = -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all -fno-omit-frame-pointer

# test/unit: every test_*.c is a program, the other files are shared by all
UNIT_SHARED := $(filter-out test/unit/test_%.c,$(wildcard test/unit/*.c))
UNIT_PROGRAMS := $(patsubst test/unit/%.c,build/unit/%,$(sort $(wildcard test/unit/test_*.c)))
UNIT_OBJECTS = $(patsubst src/%.c,build/unit/%.o,$(ENGINE_SOURCES)) \
	$(patsubst test/unit/%.c,build/unit/%.o,$(UNIT_SHARED))
UNIT_CFLAGS = -O1 -g $(ENGINE_CFLAGS) $(SANITIZE) -MMD -MP -iquote src/engine

build/unit/engine/%.o: src/engine/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(UNIT_CFLAGS) $(CFLAGS_$*) $(COPT) -c -o $@ $<
build/unit/%.o: test/unit/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(UNIT_CFLAGS) $(COPT) -c -o $@ $<
$(UNIT_PROGRAMS): %: %.o $(UNIT_OBJECTS)
	$(CC) $(SANITIZE) -o $@ $^ $(ENGINE_LIBS)

unit: $(UNIT_PROGRAMS)
	scripts/run-unit $(UNIT_PROGRAMS)

# test/bench/engine.c: speed of the engine alone, on the objects of the extension
build/bench/engine: test/bench/engine.c $(ENGINE_SOURCES:.c=.o)
	@mkdir -p $(@D)
	$(CC) -O2 $(ENGINE_CFLAGS) -iquote src/engine -o $@ $^ $(ENGINE_LIBS)

# test/fuzz: every fuzz_*.c is a target of libFuzzer
FUZZ_CC = clang
FUZZ_PROGRAMS := $(patsubst test/fuzz/%.c,build/fuzz/%,$(sort $(wildcard test/fuzz/fuzz_*.c)))
FUZZ_OBJECTS = $(patsubst src/%.c,build/fuzz/%.o,$(ENGINE_SOURCES))
FUZZ_CFLAGS = -O2 -g $(ENGINE_CFLAGS) $(SANITIZE) -MMD -MP -iquote src/engine
# What compares numbers and counters of loops teaches the fuzzer nothing and
# would take most of the time; the kernels nothing at all.
FUZZ_COVERAGE = -fsanitize=fuzzer-no-link
$(foreach file,network forward packed dataset batch team optim sensitive, \
	$(eval FUZZ_COVERAGE_$(file) = $$(FUZZ_COVERAGE) -fno-sanitize-coverage=trace-cmp))
# so that short texts stop everywhere, and patterns that take too long do so soon
FUZZ_CFLAGS_mask = -DPATTERN_STEPS=10 -DPATTERN_TRIES=16 -DPATTERN_CHUNKS=2 -DPLACES=16 -DITERATED=256
# in all, over all programs
FUZZ_RUNS = 10000000

build/fuzz/engine/%.o: src/engine/%.c Makefile
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_CFLAGS) $(CFLAGS_$*) $(FUZZ_CFLAGS_$*) \
		$(if $(filter kernels_%,$*),,$(or $(FUZZ_COVERAGE_$*),$(FUZZ_COVERAGE))) -c -o $@ $<
build/fuzz/%.o: test/fuzz/%.c Makefile
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_CFLAGS) $(FUZZ_COVERAGE) -c -o $@ $<
$(FUZZ_PROGRAMS): %: %.o $(FUZZ_OBJECTS)
	$(FUZZ_CC) $(SANITIZE) -fsanitize=fuzzer -o $@ $^ $(ENGINE_LIBS)

fuzz-programs: $(FUZZ_PROGRAMS)
fuzz:
	scripts/setup build fuzz
	$(MAKE) fuzz-programs
	scripts/run-fuzz $(FUZZ_RUNS) $(FUZZ_PROGRAMS)

-include $(wildcard build/unit/*.d build/unit/engine/*.d build/fuzz/*.d build/fuzz/engine/*.d)

# ---- whole procedures ------------------------------------------------------

setup:
	scripts/setup build test
demo:
	scripts/setup build
	scripts/demo
test:
	scripts/setup build test
	scripts/run-tests $(PARTS)
test-recipes:
	scripts/setup build test recipes
	command -v npm >/dev/null || scripts/setup npm
	scripts/run-tests recipes
bench:
	scripts/setup build bench
	DATA=$(DATA) test/bench/speed $(PARTS)
bench-peers:
	scripts/setup build bench peers
	DATA=$(DATA) test/bench/speed $(PARTS)
bench-accuracy:
	scripts/setup build bench $(if $(PEERS),peers)
	test/bench/accuracy $(DATA) $(SETS)
check-memory:
	scripts/setup build memory
	scripts/check-memory
check-settings:
	scripts/setup build test
	scripts/check-settings
coverage:
	scripts/setup build test
	scripts/coverage
soak:
	scripts/setup build
	scripts/soak $(MINUTES)
matrix:
	scripts/matrix

build/always:
.PHONY: all install installcheck clean setup demo test test-recipes unit fuzz fuzz-programs check-memory check-settings \
	coverage soak matrix bench bench-peers bench-accuracy build/always
.SECONDARY:
