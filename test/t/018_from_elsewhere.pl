# Models of Keras and PyTorch become models here, by tools/from-keras and
# tools/from-pytorch: they answer as they did there, and what would not is
# refused.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use TextclfTest;

my $top = "$FindBin::RealBin/../..";
my $converters = "$FindBin::RealBin/../converters";
my $work = PostgreSQL::Test::Utils::tempdir();
# Debian's modules are those of its own Python, which need not be the first one
my $python = -x '/usr/bin/python3' ? '/usr/bin/python3' : 'python3';
my $node = start_node('main');

sub read_json
{
	my ($path) = @_;
	return JSON::PP->new->utf8->decode(PostgreSQL::Test::Utils::slurp_file($path));
}

sub write_json
{
	my ($path, $value) = @_;
	open(my $out, '>:raw', $path) or die "$path: $!";
	print $out JSON::PP->new->utf8->encode($value);
	close($out);
	return $path;
}

# A model is converted, imported, and answers as it did where it comes from.
sub check_good
{
	my ($tool, $case, @arguments) = @_;
	my $file = "$work/$tool-$case->{name}.safetensors";
	my $name = "$tool: $case->{name}";

	my ($stdout, $stderr) = PostgreSQL::Test::Utils::run_command([ $python, "$top/tools/$tool", @arguments, '--output', $file ]);
	ok(-e $file, "$name is converted") or diag($stderr) or return;
	$node->safe_psql('postgres', "SELECT textclf_import('m', pg_read_binary_file('$file'))");
	my ($worst, $labels) = (0, 0);
	for my $i (0 .. $#{ $case->{texts} })
	{
		my $text = $case->{texts}[$i];
		utf8::encode($text);
		$text =~ s/'/''/g;
		my %ours = map { split /\|/ } split /\n/, $node->safe_psql('postgres',
			"SELECT label, probability::float8 FROM textclf_predict_proba('m', '$text')");
		my $theirs = $case->{answers}[$i];
		$labels += keys %ours == keys %$theirs;
		for my $label (keys %$theirs)
		{
			my $distance = abs(($ours{$label} // 9) - $theirs->{$label});
			$worst = $distance if $distance > $worst;
		}
	}
	is($labels, scalar @{ $case->{texts} }, "$name has its labels");
	cmp_ok($worst, '<', 1e-5, "$name answers the same");
	my $warning = ($node->psql('postgres', "SELECT textclf_predict('m', 'a')"))[2];
	is($warning, '', "$name predicts without a warning");
	$node->safe_psql('postgres', "SELECT textclf_drop('m')");
	return;
}

# A model is refused with one line that says why, and no file.
sub check_bad
{
	my ($tool, $case, @arguments) = @_;
	my $file = "$work/bad.safetensors";

	my ($stdout, $stderr) = PostgreSQL::Test::Utils::run_command([ $python, "$top/tools/$tool", @arguments, '--output', $file ]);
	like($stderr, qr/\A$tool: .*$case->{message}.*\z/, "$tool: $case->{name} is refused");
	ok(!-e $file, "$tool: $case->{name} leaves no file");
	return;
}

# ---- Keras: files of its layouts, answers by its arithmetic ----

PostgreSQL::Test::Utils::system_or_bail($python, "$converters/make_keras.py", $work);
my $keras = read_json("$work/cases.json");
check_good('from-keras', $_, @{ $_->{arguments} }) for @{ $keras->{good} };
check_bad('from-keras', $_, @{ $_->{arguments} }) for @{ $keras->{bad} };

# ---- PyTorch: files that it saved, its own answers ----

my $pytorch = read_json("$converters/pytorch/cases.json");
my $vocabulary = write_json("$work/vocabulary.json", $pytorch->{vocabulary});
for my $kind (qw(good bad))
{
	for my $case (@{ $pytorch->{$kind} })
	{
		my $labels = write_json("$work/labels.json", $case->{labels});
		my @arguments = ("$converters/pytorch/$case->{file}", '--vocabulary', $vocabulary, '--labels', $labels, @{ $case->{arguments} });
		$kind eq 'good' ? check_good('from-pytorch', $case, @arguments) : check_bad('from-pytorch', $case, @arguments);
	}
}

# the pickle of a file is not obeyed
my $witness = "$work/obeyed";
my $hostile = qq{
import os, pickle, zipfile
class Hostile:
	def __reduce__(self):
		return os.mkdir, ("$witness",)
with zipfile.ZipFile("$work/hostile.pt", "w") as archive:
	archive.writestr("archive/data.pkl", pickle.dumps({"a.weight_ih_l0": Hostile()}, 2))
};
PostgreSQL::Test::Utils::system_or_bail($python, '-c', $hostile);
check_bad('from-pytorch', { name => 'hostile', message => 'not part of a state dict' }, "$work/hostile.pt", '--vocabulary', $vocabulary,
	'--labels', "$work/labels.json", '--pooling', 'last');
ok(!-e $witness, 'a hostile pickle is not obeyed');

# nor believed: a tensor of one number, repeated, is no storage of many
my $repeated = qq{
import io, pickle, sys, types, zipfile
for name in ["torch", "torch._utils"]:
	sys.modules[name] = types.ModuleType(name)
def _rebuild_tensor_v2(): pass
class FloatStorage: pass
_rebuild_tensor_v2.__module__, FloatStorage.__module__ = "torch._utils", "torch"
sys.modules["torch._utils"]._rebuild_tensor_v2, sys.modules["torch"].FloatStorage = _rebuild_tensor_v2, FloatStorage
class Storage: pass
class Tensor:
	def __init__(self, *arguments):
		self.arguments = arguments
	def __reduce__(self):
		return _rebuild_tensor_v2, self.arguments
class Pickler(pickle.Pickler):
	def persistent_id(self, object):
		return ("storage", FloatStorage, "0", "cpu", 1) if isinstance(object, Storage) else None
state = io.BytesIO()
Pickler(state, 2).dump({"a.weight_ih_l0": Tensor(Tensor(Storage(), 0, (1 << 40,), (0,)), 0, (1 << 30, 4), (4, 1))})
with zipfile.ZipFile("$work/repeated.pt", "w") as archive:
	archive.writestr("archive/data.pkl", state.getvalue())
	archive.writestr("archive/data/0", bytes(4))
};
PostgreSQL::Test::Utils::system_or_bail($python, '-c', $repeated);
check_bad('from-pytorch', { name => 'repeated', message => 'a tensor of the file has no storage' }, "$work/repeated.pt", '--vocabulary', $vocabulary,
	'--labels', "$work/labels.json", '--pooling', 'last');

# nor does a damaged file end in anything but a sentence
my $damaged = "$work/damaged.pt";
for my $i (1 .. 8)
{
	my $bytes = PostgreSQL::Test::Utils::slurp_file("$converters/pytorch/last.pt");
	substr($bytes, $i * length($bytes) / 9, 2) = "\xff\x00";
	$bytes = substr($bytes, 0, $i * 400) if $i > 6;
	open(my $out, '>:raw', $damaged) or die $!;
	print $out $bytes;
	close($out);
	my ($stdout, $stderr) = PostgreSQL::Test::Utils::run_command([ $python, "$top/tools/from-pytorch", $damaged, '--vocabulary', $vocabulary,
		'--labels', "$work/labels.json", '--pooling', 'last', '--output', "$work/damaged.safetensors" ]);
	like($stderr, qr/\Afrom-pytorch: [^\n]*\z/, "damage $i") unless -e "$work/damaged.safetensors";
	unlink("$work/damaged.safetensors");
}

# ---- the README's commands ----

my $readme = PostgreSQL::Test::Utils::slurp_file("$top/README.md");
my ($commands) = $readme =~ /^```sh\n(tools\/from-keras .*?)^```$/ms;
my %files = ('model.keras' => "$work/stacked.keras", 'tokenizer.json' => "$work/stacked.tokenizer.json",
	'labels.txt' => "$work/stacked.labels", 'model.pt' => "$converters/pytorch/last.pt",
	'vocabulary.json' => $vocabulary, 'tools' => "$top/tools");
my $reader = PostgreSQL::Test::Utils::tempdir();
symlink($files{$_}, "$reader/$_") for keys %files;
{
	local $ENV{PATH} = "/usr/bin:$ENV{PATH}";
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	local $ENV{PGDATABASE} = 'postgres';
	PostgreSQL::Test::Utils::system_or_bail('sh', '-ec', "cd $reader; $commands");
}
like($node->safe_psql('postgres', "SELECT textclf_predict('news', 'goal'), textclf_predict('topics', 'goal')"),
	qr/^(sport|business|science)\|(sport|business|science)$/, 'the commands of the README import models');

done_testing();
