/*
 * test_privacy.c
 *	  What a model must not remember of the texts it was trained on: words of
 *	  single rows, and what is masked.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "encode.h"
#include "error.h"
#include "mask.h"
#include "model.h"
#include "unit.h"

/* ---- words of single rows ---- */

#define PLANTED 50
#define ROWS 1000

/* A word of letters that no other one has, so that it shares no n-gram with any. */
static void
planted_word(int index, char word[10])
{
	for (int i = 0; i < 3; i++)
	{
		int			letter = 0x1401 + 3 * index + i;	/* Canadian syllabics */

		word[3 * i] = (char) (0xE0 | letter >> 12);
		word[3 * i + 1] = (char) (0x80 | (letter >> 6 & 0x3F));
		word[3 * i + 2] = (char) (0x80 | (letter & 0x3F));
	}
	word[9] = '\0';
}

/* Train on rows of which the first ones have a planted word each, twice. */
static void
train_planted(UnitHost *host, const ClfConfig *config, ClfModel **model)
{
	ClfTrainer *trainer;
	ClfProgress progress = {.phase = CLF_PHASE_PREPARE};
	ClfSummary	summary;
	ClfError	error;

	host->store.size = 0;
	CHECK(clf_trainer_new(config, &host->host, &trainer, &error) == CLF_OK, "%s", error.message);
	for (int i = 0; i < ROWS; i++)
	{
		char		row[256];
		char		text[300];
		char		word[10] = "";
		char		label[16];

		unit_row(i, 2, row, label);
		if (i < PLANTED)
			planted_word(i, word);
		snprintf(text, sizeof text, "%s %s %s", word, row, word);
		CHECK(clf_trainer_add(trainer, text, strlen(text), label, strlen(label), &error) == CLF_OK, "%s", error.message);
	}
	while (progress.phase != CLF_PHASE_DONE)
		CHECK(clf_trainer_step(trainer, &progress, &error) == CLF_OK, "%s", error.message);
	CHECK(clf_trainer_finish(trainer, model, &summary, &error) == CLF_OK, "%s", error.message);
	clf_trainer_free(trainer);
}

/* How many planted words are tokens, and how many move a prediction otherwise than a word never seen. */
static void
count_remembered(const ClfModel *model, int *tokens, int *influences)
{
	UnitMemory	memory;
	ClfScratch *scratch;
	ClfError	error;

	unit_memory_init(&memory);
	*tokens = *influences = 0;
	CHECK(clf_scratch_new(model, &memory.allocator, &scratch, &error) == CLF_OK, "no scratch");
	for (int i = 0; i < PLANTED; i++)
	{
		char		word[2][10];
		char		label[16];
		char		row[256];
		float		probability[2][2];

		unit_row(i, 2, row, label);
		planted_word(i, word[0]);
		planted_word(PLANTED, word[1]);
		for (int k = 0; k < 2; k++)
		{
			char		text[300];

			snprintf(text, sizeof text, "%s %s %s", word[k], row, word[k]);
			CHECK(clf_predict(model, scratch, text, strlen(text), probability[k], &error) == CLF_OK, "%s", error.message);
		}
		*influences += memcmp(probability[0], probability[1], sizeof probability[0]) != 0;
		for (int id = CLF_FIRST_ID; id < clf_model_vocabulary(model); id++)
		{
			size_t		length;
			const char *token = clf_model_token(model, id, &length);

			*tokens += length == strlen(word[0]) && memcmp(token, word[0], length) == 0;
		}
	}
	clf_scratch_free(scratch);
}

static void
words_of_single_rows_leave_nothing(void)
{
	UnitHost	host;
	ClfConfig	config;

	unit_host_init(&host);
	for (int architecture = 0; architecture < UNIT_ARCHITECTURES; architecture++)
		for (int min_rows = 1; min_rows <= 2; min_rows++)
		{
			ClfModel   *model = NULL;
			int			tokens;
			int			influences;

			unit_quick_config(&config);
			config.architecture = architecture;
			config.char_ngrams = 1;
			config.epochs = 1;
			config.validation_split = 0.1;
			config.min_rows = min_rows == 1 ? 1 : -1;	/* with so many rows, 2 */
			train_planted(&host, &config, &model);
			CHECK(clf_model_config(model)->min_rows == min_rows, "%d rows are enough", clf_model_config(model)->min_rows);
			count_remembered(model, &tokens, &influences);
			if (min_rows == 1)
				CHECK(tokens > PLANTED / 2 && influences > PLANTED / 2, "%s: %d tokens, %d influences",
					  unit_architecture(architecture), tokens, influences);
			else
				CHECK(tokens == 0 && influences == 0, "%s: %d tokens, %d influences are remembered",
					  unit_architecture(architecture), tokens, influences);
			clf_model_free(model);
		}
	unit_host_free(&host);
}

/* ---- what is masked ---- */

#define EMAIL (1 << CLF_MASK_EMAIL)
#define URL (1 << CLF_MASK_URL)
#define NUMBER (1 << CLF_MASK_NUMBER)
#define CARD (1 << CLF_MASK_CARD)
#define PHONE (1 << CLF_MASK_PHONE)
#define ALL (EMAIL | URL | NUMBER | CARD | PHONE)

/* Tokens of a text, joined by spaces, as a sink of clf_encode. */
typedef struct Joined
{
	char		text[4000];
	size_t		length;
	size_t		end;			/* of the last token, in the text */
} Joined;

static ClfStatus
join(void *context, const ClfTokenSpan *span, ClfError *error)
{
	Joined	   *joined = context;

	if (span->start < joined->end || span->end <= span->start)
		return clf_fail(error, CLF_ERR_HOST, "a token at %zu after %zu", span->start, joined->end);
	joined->end = span->end;
	if (joined->length + span->length + 2 > sizeof joined->text)
		return CLF_OK;			/* nobody reads so much */
	joined->length += (size_t) snprintf(joined->text + joined->length, sizeof joined->text - joined->length, "%s%.*s",
										joined->length ? " " : "", (int) span->length, span->text);
	return CLF_OK;
}

/* ClfAllocator.stopped: after so many questions */
static int	patience = INT_MAX;

static bool
has_no_patience(void *context)
{
	(void) context;
	return patience-- <= 0;
}

static ClfStatus
tokens_of(int architecture, int kinds, const char *pattern, const char *text, size_t length, Joined *joined, ClfError *error)
{
	static ClfConfig config;
	UnitMemory	memory;
	ClfMem		mem;
	ClfPattern *ready = NULL;
	ClfStatus	status;

	unit_memory_init(&memory);
	memory.allocator.stopped = has_no_patience;
	clf_mem_init(&mem, &memory.allocator);
	clf_config_init(&config);
	config.architecture = architecture;
	config.tokenizer = architecture == CLF_ARCH_LSTM ? CLF_TOKENIZER_KERAS : CLF_TOKENIZER_UNICODE;
	config.maxlen = 200;
	config.capitals = 0;
	config.mask = kinds;
	snprintf(config.mask_pattern, sizeof config.mask_pattern, "%s", pattern);
	memset(joined, 0, sizeof *joined);
	status = clf_encode(&config, &mem, &ready, text, length, join, joined, error);
	clf_pattern_free(&ready);
	return memory.blocks == 0 ? status : clf_fail(error, CLF_ERR_MEMORY, "memory is kept");
}

static void
check_masked(int kinds, const char *pattern, const char *text, const char *expected)
{
	Joined		joined;
	ClfError	error = {0};

	CHECK(tokens_of(CLF_ARCH_HYBRID, kinds, pattern, text, strlen(text), &joined, &error) == CLF_OK, "%s", error.message);
	CHECK(strcmp(joined.text, expected) == 0, "\"%s\" is \"%s\", not \"%s\"", text, joined.text, expected);
}

static void
kinds_are_found(void)
{
	static const struct
	{
		int			kinds;
		const char *text;
		const char *tokens;
	}			cases[] = {
		/* nothing is masked that is not asked for */
		{0, "joe@example.com", "<email> example.com"},
		{CARD | PHONE | NUMBER, "see www.example.com", "see <url> example.com"},
		{EMAIL, "a 12 4111 1111 1111 1111", "a 12 4111 1111 1111 1111"},
		/* e-mail addresses */
		{EMAIL, "Write to Joe.Smith+x@mail.example.com, please", "write to <email> , please"},
		{EMAIL, "<joe_1@example.co.uk>", "< <email> >"},
		{EMAIL, "mailto:joe@example.com?subject=x", "mailto : <email> ? subject = x"},
		{EMAIL, "J\xC3\xB6rg.M\xC3\xBCller@stra\xC3\x9F" "e.de!", "<email> !"},
		{EMAIL, "http://example.com/joe@example.com/x", "<url> example.com <email> / x"},
		{EMAIL, "\xE9\x82\xAE\xE7\xAE\xB1" "joe@example.com\xE8\xAF\xB7", "\xE9\x82\xAE \xE7\xAE\xB1 <email> \xE8\xAF\xB7"},
		{EMAIL, "\xE7\x94\xA8\xE6\x88\xB7@\xE4\xBE\x8B\xE5\xAD\x90.\xE5\x85\xAC\xE5\x8F\xB8", "<email>"},
		{EMAIL, "joe @ work, a@b", "joe @ work , a @ b"},
		/* URLs */
		{URL, "see https://joe:secret@www.example.com:80/a/b?c=d#e.", "see <url> ."},
		{URL, "(www.Example.com/joe)", "( <url> )"},
		{URL, "ssh+git://host/path now", "<url> now"},
		{URL, "at example.com/joe/smith now", "at <url> now"},
		{URL, "http://example.com/M\xC3\xBCller?x", "<url>"},
		{URL, "\xE7\x9C\x8Bhttp://x.com/ab\xE8\xBF\x99", "\xE7\x9C\x8B <url> \xE8\xBF\x99"},
		{URL, "http://x.com/wiki/\xE5\xBC\xA0\xE4\xB8\x89 y", "<url> y"},
		{URL, "and/or 1/2 e.g. U.S. a.b", "and / or 1 / 2 e.g . u.s . a.b"},
		/* numbers: no digit is left */
		{NUMBER, "12 1,000.50 3rd mp3 x2y 12:30", "<number> <number> <number> rd mp <number> x <number> y <number>"},
		{NUMBER, "2024-01-31", "<number> - <number> - <number>"},
		{NUMBER, "\xD9\xA1\xD9\xA2\xD9\xA3 \xEF\xBC\x91\xEF\xBC\x92 m\xC2\xB2 \xE2\x91\xA0", "<number> <number> m <number> <number>"},
		/* months, days, hours and square measures that are one character, which normal forms write with digits */
		{NUMBER, "\xE3\x8B\x80 \xE3\x8F\xA0x \xE3\x8D\x98 \xE3\x8E\x9F \xE3\x8E\x9E", "<number> <number> x <number> <number> km"},
		{NUMBER, "see http://example.com/a/12", "see <url> example.com a <number>"},
		/* cards */
		{CARD, "4111 1111 1111 1111.", "<card> ."},
		{CARD, "4111-1111-1111-1111 12/25", "<card> 12 / 25"},
		{CARD, "4111 1111 1111 1111 12/25", "<card> 12 / 25"},
		{CARD, "visa4111111111111111x", "visa <card> x"},
		{CARD, "378282246310005 5555\xC2\xA0" "5555\xC2\xA0" "5555\xC2\xA0" "4444", "<card> <card>"},
		{CARD, "4111 1111 1111 1112", "4111 1111 1111 1112"},
		{CARD, "41111111111111110000000", "41111111111111110000000"},
		{CARD, "\xEF\xBC\x94" "111111111111111", "<card>"},
		/* phone numbers */
		{PHONE, "call +49 (0)170 1234567 now", "call <phone> now"},
		{PHONE, "+1-555-123-4567, 0049 30 123456", "<phone> , <phone>"},
		{PHONE, "(555) 123-4567 or 555-123-4567", "<phone> or <phone>"},
		{PHONE, "555.123.4567 1-800-555-0199", "<phone> <phone>"},
		{PHONE, "0171/1234567 030 123 456", "<phone> <phone>"},
		{PHONE, "01 23 45 67 89", "<phone>"},
		{PHONE, "08712300220quoting", "<phone> quoting"},
		{PHONE, "\xE7\x94\xB5\xE8\xAF\x9D" "13812345678\xE8\xAF\xB7", "\xE7\x94\xB5 \xE8\xAF\x9D <phone> \xE8\xAF\xB7"},
		{PHONE, "+33\xC2\xA0" "6\xC2\xA0" "12\xC2\xA0" "34\xC2\xA0" "56\xC2\xA0" "78", "<phone>"},
		{PHONE, "8 (916) 123-45-67 555-1234, 98765 43210", "<phone> <phone> , <phone>"},
		/* what is none */
		{PHONE, "2024-01-31 31.12.2024 1/2/2024", "2024 - 01 - 31 31.12.2024 1 / 2 / 2024"},
		{PHONE, "1,000,000 1.000.000 10 000 000", "1,000,000 1.000.000 10 000 000"},
		{PHONE, "192.168.10.100 1999-2001", "192.168.10.100 1999 - 2001"},
		{PHONE, "3.1415926 12345678 1 2 3 4 5 6 7 8", "3.1415926 12345678 1 2 3 4 5 6 7 8"},
		{PHONE, "978-3-16-148410-0", "978 - 3 - 16 - 148410 - 0"},
		/* together */
		{ALL, "Joe (joe@x.com, +49 170 1234567) paid 12.50 by 4111111111111111, see http://x.com/1?c=4",
		"joe ( <email> , <phone> ) paid <number> by <card> , see <url>"},
		{ALL, "", ""},
		{ALL, "plain words", "plain words"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		check_masked(cases[i].kinds, "", cases[i].text, cases[i].tokens);
}

static void
patterns_are_found(void)
{
	check_masked(0, "(?i)\\bid-[0-9a-f]+", "see ID-12ab, id-7.", "see <masked> , <masked> .");
	check_masked(0, "x*", "axxb", "a <masked> b");	/* no place is empty */
	check_masked(0, "^.*$", "all of it", "<masked>");
	check_masked(0, "M\xC3\xBCller", "Herr M\xC3\xBCller ruft", "herr <masked> ruft");
	/* what one leaves of the other is masked all the same */
	check_masked(EMAIL, "joe", "joe@example.com joe", "<email> <masked>");
	check_masked(EMAIL, "to joe", "to joe@example.com", "<masked> <email>");
	check_masked(EMAIL, "com x", "joe@example.com x", "<email> <masked>");
	check_masked(NUMBER, "\\d\\d", "12345", "<number>");
	/* what is beside it does not depend on what it was */
	check_masked(0, "[q-]", "qwww.example.com -www.example.com", "<masked> <url> example.com <masked> <url> example.com");
	check_masked(PHONE, "", "+49 170 1234567joe@example.com", "<phone> <email> example.com");
}

/* The textbook stack reads the last tokens, of the same ones. */
static void
keras_tokens_are_masked(void)
{
	Joined		joined;
	ClfError	error = {0};
	const char *text = "Mail joe@example.com, call 0171 1234567";

	CHECK(tokens_of(CLF_ARCH_LSTM, ALL, "Ma", text, strlen(text), &joined, &error) == CLF_OK, "%s", error.message);
	CHECK(strcmp(joined.text, "<masked> il <email> call <phone>") == 0, "tokens are %s", joined.text);
}

/* Patterns that would take hours end, with an error or not, and soon. */
static void
hostile_patterns_end(void)
{
	static const char *const patterns[] = {
		"(a+)+$", "(a|aa)+$", "(a*)*b", "(?=[^b]*+)b", "a(?=[^b]*+)", "[^b]*+b", "(.*)*(.*)*(.*)*b", "(a?){100}a{100}b", "(?:a|a)*\\1b", "((a)|(a))*b",
		/* loops that save no state, at each place */
		"(?>a*)b", "(?>[^b]*)b", "(?=a*(b|c))d|(?>a*)b"
	};
	size_t		size = 8000000;
	char	   *text = malloc(size);
	int			errors = 0;

	memset(text, 'a', size);
	for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
	{
		Joined		joined;
		ClfError	error = {0};
		clock_t		begun = clock();
		ClfStatus	status;

		if (clf_check_pattern(patterns[i], &error) != CLF_OK)
			continue;			/* as good an end */
		status = tokens_of(CLF_ARCH_BILSTM, 0, patterns[i], text, size, &joined, &error);
		CHECK(status == CLF_OK || (status == CLF_ERR_LIMIT && strstr(error.message, "mask_pattern") != NULL && error.detail[0] != '\0'),
			  "%s: %s", patterns[i], error.message);
		errors += status != CLF_OK;
		CHECK((double) (clock() - begun) / CLOCKS_PER_SEC < 5, "%s takes %g s", patterns[i], (double) (clock() - begun) / CLOCKS_PER_SEC);
	}
	CHECK(errors > 3, "only %d patterns take too long", errors);
	free(text);
}

/*
 * Flag w takes a run of Chinese characters at once, and asks nobody meanwhile: it is not
 * for texts that are long, whether others were read before or not.
 */
static void
dictionaries_end(void)
{
	static const char *const patterns[] = {"(?w)\\bx|.\\b", "\\X", ".\\b|x", "(?<=(.))\\1"};
	size_t		sizes[] = {300, 2000001, 300, 3000};
	char	   *text = malloc(sizes[1]);

	for (size_t i = 0; i < sizes[1]; i += 3)
		memcpy(text + i, "\xE4\xB8\xAD", 3);
	for (size_t p = 0; p < sizeof patterns / sizeof patterns[0]; p++)
		for (size_t first = 0; first < 2; first++)
		{
			ClfConfig	config;
			ClfMem		mem;
			UnitMemory	memory;
			ClfPattern *ready = NULL;

			unit_memory_init(&memory);
			clf_mem_init(&mem, &memory.allocator);
			clf_config_init(&config);
			config.architecture = CLF_ARCH_HYBRID;
			config.maxlen = 200;
			strcpy(config.mask_pattern, patterns[p]);
			for (size_t i = first; i < sizeof sizes / sizeof sizes[0]; i++)
			{
				Joined		joined = {0};
				ClfError	error = {0};
				ClfStatus	status = clf_encode(&config, &mem, &ready, text, sizes[i], join, &joined, &error);

				CHECK(status == (i == 1 && p < 2 ? CLF_ERR_LIMIT : CLF_OK), "%s, %zu bytes: %d %s", patterns[p], sizes[i], (int) status, error.detail);
			}
			clf_pattern_free(&ready);
			CHECK(memory.blocks == 0, "memory is kept");
		}
	free(text);
}

static void
bad_patterns_are_refused(void)
{
	static const char *const patterns[] = {"(", "a)", "[a", "*", "a{2,1}", "\\p{nothing}", "(?<=a*)b"};
	UnitHost	host;
	ClfConfig	config;
	ClfTrainer *trainer;
	ClfError	error = {0};

	unit_host_init(&host);
	for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
	{
		CHECK(clf_check_pattern(patterns[i], &error) == CLF_ERR_DATA, "%s is a pattern", patterns[i]);
		unit_quick_config(&config);
		strcpy(config.mask_pattern, patterns[i]);
		CHECK(clf_trainer_new(&config, &host.host, &trainer, &error) == CLF_ERR_DATA, "%s is trained with", patterns[i]);
	}
	CHECK(clf_check_pattern("ab(", &error) == CLF_ERR_DATA && strstr(error.detail, "U_REGEX_MISMATCHED_PAREN in line 1, near character 3") != NULL,
		  "the error says \"%s\"", error.detail);
	CHECK(host.memory.blocks == 0, "memory is kept");
	unit_host_free(&host);
}

/* What is not UTF-8 is an error, masked or not. */
static void
invalid_text_is_an_error(void)
{
	static const char *const texts[] = {"1\xFF", "a@b.com\xC3", "\xFF" "a@b.com", "http://a.b/\x80x", "<\xC3\xC3>"};

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		for (int pattern = 0; pattern < 2; pattern++)
		{
			Joined		joined;
			ClfError	error = {0};
			ClfStatus	status = tokens_of(CLF_ARCH_HYBRID, ALL, pattern ? "(?s).+" : "", texts[i], strlen(texts[i]), &joined, &error);

			CHECK(status == CLF_ERR_ENCODING, "text %zu with%s pattern: %d", i, pattern ? "" : "out", (int) status);
		}
}

/* Texts that finders without bounds would read again and again. */
static void
hostile_texts_end(void)
{
	static const char *const parts[] = {
		"a@", "a.", "a@b.", "http://", "a-", "1 ", "1-", "(", "+1", "\xE4\xB8\xAD", "\xE4\xB8\xAD" "a", "\xE4\xB8\xAD.", "\xC3\xA9", "%", "a+", ".1", "\xE2\x80\x8D"
	};
	size_t		size = 300000;
	char	   *text = malloc(size);

	for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++)
	{
		size_t		width = strlen(parts[p]);
		size_t		length = size / width * width;
		static ClfConfig config;
		ClfMask		mask;
		ClfMaskSpan span = {0};
		ClfError	error;
		clock_t		begun = clock();

		for (size_t i = 0; i < length; i += width)
			memcpy(text + i, parts[p], width);
		clf_config_init(&config);
		config.mask = ALL;
		CHECK(clf_mask_start(&mask, &config, NULL, NULL, text, length, &error) == CLF_OK, "%s", error.message);
		do
			CHECK(clf_mask_next(&mask, &span, &error) == CLF_OK, "%s", error.message);
		while (span.start < length);
		clf_mask_end(&mask);
		CHECK((double) (clock() - begun) / CLOCKS_PER_SEC < 10, "many \"%s\" take %g s", parts[p], (double) (clock() - begun) / CLOCKS_PER_SEC);
	}
	free(text);
}

/* A long text is left in the middle when the host says so, wherever that is. */
static void
stops_in_a_text(void)
{
	static const struct
	{
		int			architecture;
		int			kinds;
		const char *pattern;
		const char *part;
	}			cases[] = {
		{CLF_ARCH_LSTM, 0, "", "word "},	/* whose tokens are counted first */
		{CLF_ARCH_HYBRID, ALL, "", "a@"},
		{CLF_ARCH_HYBRID, URL, "", "http://a/"},	/* one URL */
		{CLF_ARCH_HYBRID, NUMBER, "", "1,"},	/* one number */
		{CLF_ARCH_HYBRID, 0, "never", "a "},
		{CLF_ARCH_HYBRID, 0, "a", "a "},
		{CLF_ARCH_HYBRID, 0, "[a-z ]+", "a "},	/* one match, one loop */
		{CLF_ARCH_HYBRID, 0, "(?>[a-z ]*)9", "a "},	/* such a loop at each place */
	};
	size_t		size = 1000000;
	char	   *text = malloc(size);

	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++)
	{
		size_t		width = strlen(cases[c].part);

		for (size_t i = 0; i + width <= size; i += width)
			memcpy(text + i, cases[c].part, width);
		for (patience = 0; patience < 8; patience += 3)
		{
			int			asked = patience;
			Joined		joined;
			ClfError	error = {0};

			CHECK(tokens_of(cases[c].architecture, cases[c].kinds, cases[c].pattern, text, size / width * width, &joined, &error) == CLF_ERR_STOPPED,
				  "case %d, %d questions: %s", (int) c, asked, error.message);
			patience = asked;
		}
	}
	patience = INT_MAX;
	free(text);
}

int
main(void)
{
	RUN(kinds_are_found);
	RUN(patterns_are_found);
	RUN(keras_tokens_are_masked);
	RUN(hostile_patterns_end);
	RUN(dictionaries_end);
	RUN(bad_patterns_are_refused);
	RUN(invalid_text_is_an_error);
	RUN(hostile_texts_end);
	RUN(stops_in_a_text);
	RUN(words_of_single_rows_leave_nothing);
	return UNIT_RESULT();
}
