# The page of textclf_report in a real browser: everything on it is drawn and can
# be read, on a wide screen, a phone and in the dark; it runs nothing and asks
# for nothing.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use TextclfTest;

# Ubuntu has no package of it
if (system('command -v chromium >/dev/null') != 0)
{
	ok(1, 'without chromium, nobody looks at the page');
	done_testing();
	exit;
}

my $node = start_node('main');
my $directory = PostgreSQL::Test::Utils::tempdir();

# Labels of all kinds, one in nine of them wrong, and a model of each kind of page.
$node->safe_psql('postgres', q{
	CREATE TABLE docs AS
	SELECT i, 'about c' || i % 14 || ' and w' || i * 31 % 97 AS doc,
		(ARRAY['billing & <invoices>', 'technical support, networks and connectivity', 'שלום עולם', '退款和退货问题', '😀 praise', 'other',
			repeat('unbroken', 25), '', 'h', 'i', 'j', 'k', 'l', 'm'])[(CASE WHEN i % 9 = 0 THEN i * 7 ELSE i END) % 14 + 1] AS label
	FROM generate_series(1, 2800) i;
	CREATE VIEW few AS SELECT doc, label FROM docs WHERE i % 14 IN (1, 2, 3, 4);
	CREATE VIEW many AS SELECT doc || ' n' || i % 280 AS doc, label || i % 280 AS label FROM docs;
	SET client_min_messages = error;
	SELECT textclf_train('docs', 'doc', 'label', 'all & <i>kinds</i>', '{"epochs": 9, "units": 8, "early_stopping": 0}');
	SELECT textclf_train('few', 'doc', 'label', 'few', '{"epochs": 1, "units": 4}');
	SELECT textclf_train('many', 'doc', 'label', 'many', '{"architecture": "linear", "char_ngrams": false, "wide_c": 10, "validation_split": 0.3}');
	SELECT textclf_train('docs', 'doc', 'label', 'unjudged', '{"epochs": 60, "units": 4, "embedding_dim": 4, "architecture": "bilstm", "batch_size": 256, "validation_split": 0}');
});

# Looks at the page and writes what it finds, as JSON, into the one around it.
my $look = <<'SCRIPT';
<script>
(function () {
	const found = {
		width: innerWidth, content: document.documentElement.scrollWidth, title: document.title,
		requests: performance.getEntriesByType('resource').map(r => r.name),
		sections: {}, empty: [], cut: [], faint: [], texts: 0, unnamed: [], marks: 0
	};
	const box = e => e.getBoundingClientRect();
	const name = e => e.tagName + ' ' + (e.id || e.getAttribute('class') || '') + ' ' + e.textContent.trim().slice(0, 30);
	const shown = e => e.checkVisibility() && !e.closest('title, desc');

	document.querySelectorAll('section').forEach(e => found.sections[e.id] = box(e).height);
	document.querySelectorAll('header, section, h1, h2, p, b, figure, dl, dd, table, td, th, svg, text, circle, path, .chart rect').forEach(e => {
		const drawn = e.getBBox ? e.getBBox() : box(e);
		if (shown(e) && drawn.width + drawn.height === 0 && e.textContent + e.tagName !== 'TD')
			found.empty.push(name(e));
	});
	/* nothing of a drawing lies outside of it, nothing of the page beside it */
	document.querySelectorAll('svg.chart').forEach(svg => {
		const frame = box(svg);
		svg.querySelectorAll('text, circle, rect, path, line').forEach(e => {
			const b = box(e);
			found.marks++;
			if (b.left < frame.left - 1 || b.right > frame.right + 1 || b.top < frame.top - 1 || b.bottom > frame.bottom + 1)
				found.cut.push(name(e));
		});
		const ids = svg.getAttribute('aria-labelledby').split(' ');
		if (!ids.every(id => document.querySelectorAll('#' + CSS.escape(id)).length === 1 && document.getElementById(id).textContent))
			found.unnamed.push(svg.id);
	});
	document.querySelectorAll('main *').forEach(e => {
		if (shown(e) && !e.closest('.scroll') && box(e).right > innerWidth + 1)
			found.cut.push(name(e));
	});

	/* WCAG 2: text against what is behind it */
	const rgb = css => css.match(/[\d.]+/g).map(Number);
	const light = c => c.slice(0, 3).map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const behind = e => {
		if (e.previousElementSibling && e.previousElementSibling.tagName === 'rect' && e.parentNode.tagName === 'g')
			return rgb(getComputedStyle(e.previousElementSibling).fill);
		for (; e; e = e.parentElement) {
			const c = rgb(getComputedStyle(e).backgroundColor);
			if (c.length < 4 || c[3] > 0)
				return c;
		}
	};
	document.querySelectorAll('body *').forEach(e => {
		const text = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
		if (!text || !shown(e) || e.tagName === 'SCRIPT')
			return;
		const style = getComputedStyle(e);
		const a = light(rgb(e.ownerSVGElement ? style.fill : style.color)), b = light(behind(e));
		const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		found.texts++;
		if (contrast < 4.5)
			found.faint.push(name(e) + ' ' + contrast.toFixed(2));
	});
	found.ground = light(rgb(getComputedStyle(document.body).backgroundColor));

	const result = parent.document.createElement('pre');
	result.id = 'found';
	result.textContent = JSON.stringify(found);
	parent.document.body.appendChild(result);
})();
</script>
SCRIPT

sub browse
{
	my ($file, @options) = @_;
	my ($out, $err) = ('', '');

	my $started = IPC::Run::run(
		[
			'chromium', '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run',
			'--disable-background-networking', '--disable-component-update', '--disable-sync',
			"--user-data-dir=$directory/browser", '--window-size=1300,900', '--hide-scrollbars',
			'--timeout=60000', '--dump-dom', @options, "file://$file"
		],
		'>', \$out, '2>', \$err, IPC::Run::timeout(180));
	diag($err) unless $started;
	return $out;
}

sub write_page
{
	my ($name, $page) = @_;
	open(my $file, '>', "$directory/$name.html") or die $!;
	print $file $page;
	close($file);
	return "$directory/$name.html";
}

my %sections = (
	'all & <i>kinds</i>' => [qw(certainty curves figures labels matrix pairs size training)],
	few => [qw(certainty curves figures labels matrix pairs size training)],
	many => [qw(certainty curves figures labels matrix pairs size training)],
	unjudged => [qw(curves figures labels size training)]);
my @ways = (
	[ 'a wide screen', 1200 ],
	[ 'a phone', 360 ],
	[ 'a wide screen in the dark', 1200, '--force-dark-mode' ],
	[ 'a phone in the dark', 360, '--force-dark-mode' ]);
for my $model (sort keys %sections)
{
	my $page = $node->safe_psql('postgres', "SELECT textclf_report('$model')");
	my $short = $model =~ s/\W+//gr;
	my $whole = browse(write_page($short, $page));
	unlike($whole, qr/<script/, "$short: nothing runs");

	# A copy that lets our script run, with everything unfolded, in a frame: no
	# window is as narrow as a phone.
	$page =~ s/<meta http-equiv="Content-Security-Policy"[^>]*>//;
	$page =~ s/<details>/<details open="open">/g;
	$page =~ s{</body>}{$look</body>};
	$page =~ s/&/&amp;/g;
	$page =~ s/"/&quot;/g;
	for my $way (@ways)
	{
		my ($where, $width, @options) = @$way;
		my $frame = write_page("$short.look",
			qq{<!DOCTYPE html><body><iframe srcdoc="$page" style="border:0;width:${width}px;height:800px"></iframe></body>});
		my ($json) = browse($frame, @options) =~ m{<pre id="found">(.*?)</pre>}s;
		$json =~ s/&lt;/</g;
		$json =~ s/&gt;/>/g;
		$json =~ s/&amp;/&/g;
		my $found = decode_json($json // '{}');
		my $what = "$short on $where";

		is($found->{title}, "$model\@1 \xb7 textclf report", "$what: its title");
		is($found->{width}, $width, "$what: so wide");
		cmp_ok($found->{content}, '<=', $width, "$what: nothing to scroll to at the right");
		is_deeply([ sort keys %{ $found->{sections} } ], $sections{$model}, "$what: the sections");
		is_deeply([ grep { $found->{sections}{$_} < 60 } keys %{ $found->{sections} } ], [], "$what: each has a height");
		cmp_ok($found->{marks}, '>', 20, "$what: there are drawings");
		is_deeply($found->{empty}, [], "$what: nothing is without a size");
		is_deeply($found->{cut}, [], "$what: nothing is cut off");
		is_deeply($found->{unnamed}, [], "$what: every drawing has a title and a description");
		cmp_ok($found->{texts}, '>', 50, "$what: there are texts");
		is_deeply($found->{faint}, [], "$what: all of them have a contrast of 4.5");
		is_deeply($found->{requests}, [], "$what: nothing is asked for");
		ok(@options ? $found->{ground} < 0.1 : $found->{ground} > 0.8, "$what: the ground is dark or light");
	}
}

done_testing();
