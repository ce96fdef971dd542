/*
 * test_tokenizer.c
 *	  What both tokenizers make of texts in many scripts, and of bytes that are
 *	  no text.
 */
#include "unit.h"

#include "tokenizer.h"

/*
 * Check that a text gives these tokens, written one behind the other with '|'
 * between them, and that spans are in order, in bounds and between characters;
 * a mark has that of the token it is of.
 */
static void
check_tokens(ClfTokenizerKind kind, bool capitals, const char *text, size_t length,
			 const char *expected)
{
	static ClfTokenWalk walk;
	ClfTokenSpan span;
	ClfError	error;
	bool		more;
	char		got[4096] = "";
	size_t		end = 0;

	clf_walk_start(&walk, kind, text, length);
	walk.capitals = capitals;
	for (;;)
	{
		CHECK(clf_walk_next(&walk, &span, &more, &error) == CLF_OK, "%s: %s", error.message, error.detail);
		if (!more)
			break;
		CHECK(span.start >= end && span.start < span.end && span.end <= length,
			  "span %zu-%zu after %zu", span.start, span.end, end);
		CHECK(((unsigned char) text[span.start] & 0xC0) != 0x80 &&
			  (span.end == length || ((unsigned char) text[span.end] & 0xC0) != 0x80),
			  "span %zu-%zu cuts a character", span.start, span.end);
		CHECK(span.length >= 1 && span.length <= CLF_MAX_TOKEN_BYTES, "a token of %zu bytes", span.length);
		end = span.mark ? span.start : span.end;
		if (got[0] != '\0')
			strncat(got, "|", 2);
		strncat(got, span.text, span.length);
	}
	CHECK(strcmp(got, expected) == 0, "\"%s\" gives \"%s\", not \"%s\"", text, got, expected);
}

#define UNICODE(text, expected) check_tokens(CLF_TOKENIZER_UNICODE, false, text, sizeof text - 1, expected)
#define CAPITALS(text, expected) check_tokens(CLF_TOKENIZER_UNICODE, true, text, sizeof text - 1, expected)
#define KERAS(text, expected) check_tokens(CLF_TOKENIZER_KERAS, false, text, sizeof text - 1, expected)

static void
nothing(void)
{
	UNICODE("", "");
	KERAS("", "");
	UNICODE(" \t\r\n \xC2\xA0\xE3\x80\x80\xE2\x80\xA8 ", "");
	KERAS(" \t\n,.;", "");
}

static void
latin(void)
{
	UNICODE("Hello, World!", "hello|,|world|!");
	UNICODE("don't U.S.A. 3.14 1,000 a_b", "don't|u.s.a|.|3.14|1,000|a_b");
	UNICODE("don\xE2\x80\x99t", "don't");
	UNICODE("x2 wait... what?!", "x2|wait|...|what|?|!");
	UNICODE("a.", "a|.");
	UNICODE("a.\xC3\xA9", "a.\xC3\xA9");
}

static void
case_folding_and_compatibility(void)
{
	UNICODE("\xEF\xBC\xA1\xEF\xBC\xA2\xEF\xBC\x93", "ab3");	/* fullwidth A B 3 */
	UNICODE("\xEF\xAC\x81nd", "find");	/* ligature fi */
	UNICODE("Stra\xC3\x9F" "e STRASSE", "strasse|strasse");
	/* Turkish: both pairs of I are one letter, whatever the case */
	UNICODE("\xC4\xB0" "I\xC4\xB1i", "iiii");
	UNICODE("\xCE\xA3\xCF\x83\xCF\x82", "\xCF\x83\xCF\x83\xCF\x83");	/* three sigmas */
	UNICODE("\xC2\xBD", "1\xE2\x81\x84" "2");	/* one half */
	UNICODE("a\xC2\xAD" "b", "ab"); /* soft hyphen */
}

static void
combining_marks(void)
{
	UNICODE("e\xCC\x81t\xC3\xA9", "\xC3\xA9t\xC3\xA9");	/* composed and decomposed */
	UNICODE("\xCC\x81", "\xCC\x81");	/* a mark on nothing */
	/* Devanagari: vowel signs and virama stay with their word */
	UNICODE("\xE0\xA4\xB9\xE0\xA4\xBF\xE0\xA4\xA8\xE0\xA5\x8D\xE0\xA4\xA6\xE0\xA5\x80",
			"\xE0\xA4\xB9\xE0\xA4\xBF\xE0\xA4\xA8\xE0\xA5\x8D\xE0\xA4\xA6\xE0\xA5\x80");
	UNICODE("\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D \xD8\xB3\xD9\x84\xD8\xA7\xD9\x85",
			"\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D|\xD8\xB3\xD9\x84\xD8\xA7\xD9\x85");	/* Hebrew, Arabic */
}

static void
unsegmented_scripts(void)
{
	UNICODE("\xE4\xB8\xAD\xE6\x96\x87" "ok", "\xE4\xB8\xAD|\xE6\x96\x87|ok");
	UNICODE("\xF0\xA0\x80\x80\xE4\xB8\xAD", "\xF0\xA0\x80\x80|\xE4\xB8\xAD");	/* beyond the BMP */
	UNICODE("\xE3\x81\x8B\xE3\x82\x99", "\xE3\x81\x8C");	/* ka + voicing = ga */
	UNICODE("\xEF\xBD\xB6\xEF\xBE\x9E", "\xE3\x82\xAC");	/* halfwidth ka + voicing */
	UNICODE("\xED\x95\x9C\xEA\xB5\xAD", "\xED\x95\x9C|\xEA\xB5\xAD");
	/* Thai: sara am decomposes, tone marks stay with their consonant */
	UNICODE("\xE0\xB9\x84\xE0\xB8\x97\xE0\xB8\xA2", "\xE0\xB9\x84|\xE0\xB8\x97|\xE0\xB8\xA2");
	UNICODE("\xE0\xB8\x81\xE0\xB9\x88", "\xE0\xB8\x81\xE0\xB9\x88");
	UNICODE("\xE3\x80\x82\xE4\xB8\xAD\xE3\x80\x82", "\xE3\x80\x82|\xE4\xB8\xAD|\xE3\x80\x82");
}

/* Texts as people write them, each with what goes wrong where nobody looks. */
static void
scripts_of_the_world(void)
{
	/* Japanese: a long vowel belongs to no script, but it is a character like the others */
	UNICODE("ラーメン", "ラ|ー|メ|ン");
	UNICODE("人々とゝ", "人|々|と|ゝ");
	/* Korean, its syllables composed and decomposed */
	UNICODE("한국어", "한|국|어");
	UNICODE("\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB\xE1\x84\x80\xE1\x85\xAE\xE1\x86\xA8", "한|국");
	/* Thai and Lao: a vowel of two parts stays with its consonant */
	UNICODE("น้ำดี", "น้ํา|ดี");
	UNICODE("ນ້ຳ", "ນ້ໍາ");
	/* Khmer and Burmese: consonants written below others */
	UNICODE("ខ្មែរ", "ខ្មែ|រ");
	UNICODE("မန္တလေး", "မ|န္တ|လေး");
	/* Tibetan: the dot is a space */
	UNICODE("བོད་སྐད།", "བོད|སྐད|།");
	/* Ethiopic: so are the two dots */
	UNICODE("ሰላም፡ለዓለም", "ሰላም|ለዓለም");
	/* Hindi: vowel signs, conjuncts, digits */
	UNICODE("नमस्ते दुनिया।१२३", "नमस्ते|दुनिया|।|123");
	UNICODE("क्\xE2\x80\x8Dष", "क्ष"); /* with a joiner that nobody sees */
	/* Arabic: vowel marks and stretching are for the eye, digits are digits */
	UNICODE("كِتَابٌ كتـــاب ٣٤", "كتاب|كتاب|34");
	UNICODE("می\xE2\x80\x8Cروم", "میروم");
	/* Hebrew: points, and the acronym with either mark */
	UNICODE("שָׁלוֹם", "שלום");
	UNICODE("צה\"ל צה״ל", "צה\"ל|צה\"ל");
	UNICODE("\"שלום\"", "\"|שלום|\"");
	/* Vietnamese, composed and decomposed; Greek; Turkish; German */
	UNICODE("Việt Vie\xCC\xA3\xCC\x82t", "việt|việt");
	UNICODE("ΟΔΟΣ οδός", "οδοσ|οδόσ");
	UNICODE("IŞIK ışık İstanbul", "işik|işik|istanbul");
	UNICODE("Straße STRASSE Gruẞ", "strasse|strasse|gruss");
	UNICODE("Привет, мир!", "привет|,|мир|!");
}

static void
addresses(void)
{
	UNICODE("see http://www.Example.com/a/b2/news?id=7#top.", "see|<url>|example.com|a|news|.");
	UNICODE("WWW.4U.co.uk!", "<url>|4u.co.uk|!");
	UNICODE("(https://a-b.org/)", "(|<url>|a|b.org|)");
	UNICODE("http://t.cn/x你好", "<url>|t.cn|x|你|好");
	UNICODE("http:// www. https:/x", "http|:|//|www|.|https|:|/|x");
	UNICODE("xhttp://a.b", "xhttp|:|//|a.b");
	UNICODE("http://münchen.de", "<url>|münchen.de");
	UNICODE("Mail John.Smith+x@Mail.Example.com.", "mail|<email>|mail.example.com|.");
	UNICODE("a-b@c.de", "<email>|c.de");
	UNICODE("a@b @b.com x@y.z1 a@.de", "a|@|b|@|b.com|x|@|y.z1|a|@|.|de");
	UNICODE("me@home at 5 pm", "me|@|home|at|5|pm");
	KERAS("http://a.b c@d.ef", "http|a|b|c|d|ef");
	/* the pieces lie where they stand in the text */
	{
		static ClfTokenWalk walk;
		const char *text = "x a@b.de";
		ClfTokenSpan span;
		ClfError	error;
		bool		more;

		clf_walk_start(&walk, CLF_TOKENIZER_UNICODE, text, strlen(text));
		for (int i = 0; i < 2; i++)
			CHECK(clf_walk_next(&walk, &span, &more, &error) == CLF_OK && more, "no token");
		CHECK(span.start == 2 && span.end == 4, "<email> is at %zu-%zu", span.start, span.end);
		CHECK(clf_walk_next(&walk, &span, &more, &error) == CLF_OK && more &&
			  span.start == 4 && span.end == 8, "its host is at %zu-%zu", span.start, span.end);
	}
}

static void
emoji(void)
{
	/* family: joined by ZWJ, which the normal form leaves out */
	UNICODE("\xF0\x9F\x91\xA8\xE2\x80\x8D\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7",
			"\xF0\x9F\x91\xA8\xF0\x9F\x91\xA9\xF0\x9F\x91\xA7");
	/* thumbs up with a skin tone */
	UNICODE("\xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD", "\xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD");
	/* heart with a variation selector, then a smile */
	UNICODE("\xE2\x9D\xA4\xEF\xB8\x8F\xF0\x9F\x98\x80", "\xE2\x9D\xA4|\xF0\x9F\x98\x80");
	/* two flags are two tokens, a lone indicator is one */
	UNICODE("\xF0\x9F\x87\xA9\xF0\x9F\x87\xAA\xF0\x9F\x87\xAB\xF0\x9F\x87\xB7\xF0\x9F\x87\xA9",
			"\xF0\x9F\x87\xA9\xF0\x9F\x87\xAA|\xF0\x9F\x87\xAB\xF0\x9F\x87\xB7|\xF0\x9F\x87\xA9");
	/* keycaps, one and two of them; the flags of England and Scotland */
	UNICODE("1\xEF\xB8\x8F\xE2\x83\xA3" "2\xEF\xB8\x8F\xE2\x83\xA3#\xEF\xB8\x8F\xE2\x83\xA3",
			"1\xE2\x83\xA3|2\xE2\x83\xA3|#\xE2\x83\xA3");
#define FLAG(a, b, c) "\xF0\x9F\x8F\xB4\xF3\xA0\x81\xA7\xF3\xA0\x81\xA2\xF3\xA0\x81" a "\xF3\xA0\x81" b "\xF3\xA0\x81" c "\xF3\xA0\x81\xBF"
	UNICODE(FLAG("\xA5", "\xAE", "\xA7") " " FLAG("\xB3", "\xA3", "\xB4"),
			FLAG("\xA5", "\xAE", "\xA7") "|" FLAG("\xB3", "\xA3", "\xB4"));
	/* a run of the same one is one token */
	UNICODE("\xF0\x9F\x98\x80\xF0\x9F\x98\x80\xF0\x9F\x98\x82",
			"\xF0\x9F\x98\x80\xF0\x9F\x98\x80|\xF0\x9F\x98\x82");
}

static void
ignorable_characters(void)
{
	UNICODE("\xE2\x80\x8D", "");	/* a joiner of nothing */
	UNICODE("a \xE2\x80\x8B b", "a|b");	/* zero width space */
	UNICODE("\xEF\xBB\xBF" "a", "a");	/* byte order mark */
}

/* Zero bytes are control characters to one, part of a word to the other. */
static void
zero_bytes(void)
{
	static ClfTokenWalk walk;
	ClfTokenSpan span;
	ClfError	error;
	bool		more;

	UNICODE("a\0b", "a|b");
	clf_walk_start(&walk, CLF_TOKENIZER_KERAS, "a\0b", 3);
	CHECK(clf_walk_next(&walk, &span, &more, &error) == CLF_OK && more && span.length == 3 &&
		  memcmp(span.text, "a\0b", 3) == 0, "a zero byte ends a word");
}

static void
keras_semantics(void)
{
	KERAS("Hello, World! don't", "hello|world|don't");
	KERAS("a!b\"c#d$e%f&g(h)i*j+k,l-m.n/o:p;q<r=s>t?u@v[w\\x]y^z_a`b{c|d}e~f\tg\nh",
		  "a|b|c|d|e|f|g|h|i|j|k|l|m|n|o|p|q|r|s|t|u|v|w|x|y|z|a|b|c|d|e|f|g|h");
	KERAS("a\rb\x7F" "c", "a\rb\x7F" "c");	/* not among the filters */
	KERAS("a\xC2\xA0" "b \xE2\x80\x9Cx\xE2\x80\x9D", "a\xC2\xA0" "b|\xE2\x80\x9Cx\xE2\x80\x9D");
	KERAS("\xC3\x84PFEL Stra\xC3\x9F" "e", "\xC3\xA4pfel|stra\xC3\x9F" "e");	/* lower, not folded */
	KERAS("\xC4\xB0", "i\xCC\x87");
	KERAS("\xCE\xA3\xCE\xA3", "\xCF\x83\xCF\x82");	/* the last sigma is final */
	KERAS("\xE4\xB8\xAD\xE6\x96\x87", "\xE4\xB8\xAD\xE6\x96\x87");
}

/* ---- long tokens ---- */

static void
long_words_are_cut(void)
{
	size_t		length = 1 << 20;
	char	   *text = malloc(length);

	memset(text, 'a', length);
	for (int kind = CLF_TOKENIZER_UNICODE; kind <= CLF_TOKENIZER_KERAS; kind++)
	{
		static ClfTokenWalk walk;
		ClfTokenSpan span;
		ClfError	error;
		bool		more = true;
		size_t		count = 0;
		size_t		covered = 0;

		clf_walk_start(&walk, (ClfTokenizerKind) kind, text, length);
		while (clf_walk_next(&walk, &span, &more, &error) == CLF_OK && more)
		{
			CHECK(span.length <= CLF_MAX_TOKEN_BYTES, "a token of %zu bytes", span.length);
			covered += span.end - span.start;
			count++;
		}
		CHECK(!more, "it fails: %s", error.message);
		if (kind == CLF_TOKENIZER_UNICODE)
			CHECK(covered == length && count == length / CLF_MAX_PIECE, "%zu tokens of %zu bytes", count, covered);
		else
			CHECK(count == 1, "a word is %zu words", count);
	}
	free(text);
}

/* Build count copies of a character, then last; returns the length. */
static size_t
repeat(char *text, const char *part, int count, const char *last)
{
	size_t		length = 0;

	for (int i = 0; i < count; i++)
		length += (size_t) sprintf(text + length, "%s", part);
	return length + (size_t) sprintf(text + length, "%s", last);
}

/* Count tokens; -1 on an error. */
static int
count_tokens(ClfTokenizerKind kind, const char *text, size_t length, size_t *covered)
{
	static ClfTokenWalk walk;
	ClfTokenSpan span;
	ClfError	error;
	bool		more;
	int			count = 0;

	clf_walk_start(&walk, kind, text, length);
	*covered = 0;
	for (;;)
	{
		if (clf_walk_next(&walk, &span, &more, &error) != CLF_OK)
			return -1;
		if (!more)
			return count;
		*covered += span.end - span.start;
		count++;
	}
}

/*
 * The longest pieces of the largest characters lose no token: Deseret letters
 * with a middle dot at the limit, marks beyond the BMP on a Han character, and
 * a letter that becomes eighteen.
 */
static void
longest_pieces(void)
{
	char		text[4096];
	size_t		length;
	size_t		covered;

	for (int n = 55; n < 70; n++)
	{
		length = repeat(text, "\xF0\x90\x90\x80", n, "'\xF0\x90\x90\x80");
		CHECK(count_tokens(CLF_TOKENIZER_UNICODE, text, length, &covered) > 0 && covered >= length - 1,
			  "%d letters and one more: %zu of %zu bytes are in tokens", n, covered, length);
		length = repeat(text, "\xEF\xB7\xBA", n, "'\xEF\xB7\xBA");
		CHECK(count_tokens(CLF_TOKENIZER_UNICODE, text, length, &covered) > 0 && covered >= length - 1,
			  "%d wide letters and one more: %zu of %zu bytes are in tokens", n, covered, length);
		memcpy(text, "\xF0\xA0\x80\x80", 4);
		length = 4 + repeat(text + 4, "\xF0\x9D\x85\xA5", n, "");
		CHECK(count_tokens(CLF_TOKENIZER_UNICODE, text, length, &covered) > 0 && covered == length,
			  "a character with %d marks: %zu of %zu bytes are in tokens", n, covered, length);
		length = repeat(text, "\xF0\x9F\x98\x80", n, "");
		CHECK(count_tokens(CLF_TOKENIZER_UNICODE, text, length, &covered) > 0 && covered == length,
			  "%d emoji: %zu of %zu bytes are in tokens", n, covered, length);
	}
}

/*
 * Texts that a recogniser without bounds would read again and again: it would
 * take hours, not the blink that it may take.
 */
static void
hostile_addresses(void)
{
	static const char *const parts[] = {
		"http://", "www.", "a@", "a.", "a.1-", "a+", "http://a@", "1-", "0 ", "+1", "1.", "a@b.", "http://a.b/?"
	};
	size_t		size = 4 << 20;
	char	   *text = malloc(size);

	for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++)
	{
		size_t		width = strlen(parts[p]);
		size_t		covered;

		for (size_t i = 0; i + width <= size; i += width)
			memcpy(text + i, parts[p], width);
		CHECK(count_tokens(CLF_TOKENIZER_UNICODE, text, size / width * width, &covered) > 0,
			  "many \"%s\" give no token", parts[p]);
	}
	free(text);
}

/* ---- bytes that are no text ---- */

static void
check_invalid(const char *text, size_t length, size_t offset)
{
	char		byte[32];

	snprintf(byte, sizeof byte, "Byte %zu is 0x%02x.", offset + 1, (unsigned char) text[offset]);
	for (int kind = CLF_TOKENIZER_UNICODE; kind <= CLF_TOKENIZER_KERAS; kind++)
	{
		static ClfTokenWalk walk;
		ClfTokenSpan span;
		ClfError	error;
		bool		more = true;
		ClfStatus	status = CLF_OK;

		clf_walk_start(&walk, (ClfTokenizerKind) kind, text, length);
		while (status == CLF_OK && more)
			status = clf_walk_next(&walk, &span, &more, &error);
		CHECK(status == CLF_ERR_ENCODING && error.status == CLF_ERR_ENCODING,
			  "byte %zu is taken for text", offset);
		CHECK(strcmp(error.detail, byte) == 0, "the error says \"%s\", not \"%s\"", error.detail, byte);
	}
}

/* Words with capitals are marked, but for the first token, words behind one alike, and those of addresses. */
static void
capitals(void)
{
	CAPITALS("What is the Capital of the USA?", "what|is|the|<title>|capital|of|the|<upper>|usa|?");
	CAPITALS("\"Who\" am I", "\"|<title>|who|\"|am|<title>|i");
	CAPITALS("an iPhone, McDonald's, COVID-19 A1 AB1 U.S", "an|iphone|,|<title>|mcdonald's|,|<upper>|covid|-|19|<title>|a1|<upper>|ab1|u.s");
	CAPITALS("x \xC3\x89t\xC3\xA9 \xCE\x91\xCE\x98\xCE\x97\xCE\x9D\xCE\x91 \xD0\x9C\xD0\xB8\xD1\x80",
			 "x|<title>|\xC3\xA9t\xC3\xA9|<upper>|\xCE\xB1\xCE\xB8\xCE\xB7\xCE\xBD\xCE\xB1|<title>|\xD0\xBC\xD0\xB8\xD1\x80");
	CAPITALS("x \xD7\xA9\xD7\x9C \xD8\xA8\xD8\xAA", "x|\xD7\xA9\xD7\x9C|\xD8\xA8\xD8\xAA");	/* letters of no case */
	CAPITALS("see HTTPS://Example.ORG/About Us", "see|<url>|example.org|about|<title>|us");
	CAPITALS("Is New York IN THE USA or USA Today", "is|<title>|new|york|<upper>|in|the|usa|or|<upper>|usa|<title>|today");
	CAPITALS("MY LOGIN FAILS, AGAIN! How", "my|login|fails|,|<upper>|again|!|<title>|how");
	CAPITALS("My LOGIN", "my|<upper>|login");
	CAPITALS("to Joe@Example.ORG", "to|<email>|example.org");
	CAPITALS("\xE4\xB8\xAD\xE6\x96\x87 <title>", "\xE4\xB8\xAD|\xE6\x96\x87|<|title|>");
}

#define INVALID(text, offset) check_invalid(text, sizeof text - 1, offset)

static void
invalid_utf8(void)
{
	INVALID("\xFF", 0);
	INVALID("ab \x80", 3);		/* a continuation of nothing */
	INVALID("ab\xC3", 2);		/* ends in the middle */
	INVALID("ab\xC3(", 2);		/* no continuation */
	INVALID("\xC0\x80", 0);		/* overlong */
	INVALID("x\xED\xA0\x80", 1);	/* surrogate */
	INVALID("\xF4\x90\x80\x80", 0); /* beyond U+10FFFF */
	INVALID("\xE4\xB8\xAD\xE4\xB8", 3);
	INVALID("word.\xFE", 5);
	INVALID("\xF0\x9F\x98\x80\xF0\x9F\x98", 4);
	INVALID("\xF0\x9F\x87\xA9\xF0\x9F", 4);
}

/* Any bytes give tokens or an error, always in order and in bounds. */
static void
random_bytes(void)
{
	static const char *const parts[] = {
		"a", "B", "1", ".", "'", ",", " ", "_", "\xC3\xA9", "\xCC\x81", "\xE4\xB8\xAD", "\xE2\x80\x8D",
		"http://", "www.", "@", "-", "/", "?", "\xE1\x80\xB9", "\xE1\x84\x92", "\xE1\x85\xA1", "\xD7\xA9", "\"", "\xE2\x83\xA3",
		"\xF0\x9F\x98\x80", "\xF0\x9F\x87\xA9", "\xEF\xB7\xBA", "\xF0\x9F\x8F\xBD", "\xE0\xB8\x81", "\xFF", "\n", "\xEF\xB8\x8F"
	};
	ClfRng		rng;

	clf_rng_seed(&rng, 2, 2);
	for (int round = 0; round < 20000; round++)
	{
		static ClfTokenWalk walk;
		char		text[512];
		size_t		length = 0;
		size_t		end = 0;
		ClfTokenSpan span;
		ClfError	error;
		bool		more = true;
		char	   *exact;

		for (int i = 0; i < round % 40; i++)
		{
			const char *part = parts[clf_rng_below(&rng, round % 3 ? 29 : 32)];

			length += (size_t) sprintf(text + length, "%s", part);
		}
		exact = malloc(length + !length);	/* so that reading past the end shows */
		memcpy(exact, text, length);
		clf_walk_start(&walk, (ClfTokenizerKind) (round % 2), exact, length);
		walk.capitals = round % 4 == 0;
		while (clf_walk_next(&walk, &span, &more, &error) == CLF_OK && more)
		{
			CHECK(span.start >= end && span.start < span.end && span.end <= length, "bad span");
			CHECK(span.length >= 1 && span.length <= CLF_MAX_TOKEN_BYTES, "bad length");
			end = span.mark ? span.start : span.end;
		}
		free(exact);
	}
}

int
main(void)
{
	RUN(nothing);
	RUN(latin);
	RUN(case_folding_and_compatibility);
	RUN(combining_marks);
	RUN(unsegmented_scripts);
	RUN(scripts_of_the_world);
	RUN(addresses);
	RUN(emoji);
	RUN(ignorable_characters);
	RUN(zero_bytes);
	RUN(keras_semantics);
	RUN(long_words_are_cut);
	RUN(longest_pieces);
	RUN(hostile_addresses);
	RUN(capitals);
	RUN(invalid_utf8);
	RUN(random_bytes);
	return UNIT_RESULT();
}
