"""What test/bench/speed measures, in a server that it has started."""
import gzip
import glob
import os
import random
import re
import statistics
import subprocess
import sys
import time

import peers

ROUNDS = int(os.environ["ROUNDS"])
DIRECTORY = os.environ["PGHOST"]
DATA = os.environ.get("DATA")
PSQL = [os.environ["BINDIR"] + "/psql", "-XqAt", "-v", "ON_ERROR_STOP=1"]
ROWS = 20000

# how the models of each shape are kept, and predict
FORMS = {"int8": dict(precision="int8", storage="float32"),
         "float32": dict(precision="float32", storage="float32"),
         "float16": dict(precision="float32", storage="float16")}
FORM_NAMES = {"int8": "int8", "float32": "float32", "float16": "float32 kept as float16"}


class Session:
    """A connection: psql at the other end of a pipe."""

    def __init__(self):
        self.psql = subprocess.Popen(PSQL, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     text=True, bufsize=1)

    def lines(self, sql):
        self.psql.stdin.write(sql + ";\n\\echo :end:\n")
        answer = []
        for line in self.psql.stdout:
            if line == ":end:\n":
                return answer
            answer.append(line.rstrip("\n"))
        raise SystemExit("psql has ended at: " + sql)

    def run(self, sql):
        self.lines(sql)

    def value(self, sql):
        return self.lines(sql)[0]

    def milliseconds(self, sql):
        line = self.lines("\\timing on\n" + sql + ";\n\\timing off\n")[-1]
        return float(re.match(r"Time: ([0-9.]+) ms", line).group(1))

    def memory(self):
        """Private memory of the server process, MB."""
        pid = self.value("SELECT pg_backend_pid()")
        with open(f"/proc/{pid}/smaps_rollup") as file:
            return sum(int(kb) for kb in re.findall(r"Private_(?:Clean|Dirty): *(\d+)", file.read())) / 1024

    def close(self):
        self.psql.stdin.close()
        self.psql.wait()


def table(title, *columns):
    print(f"\n{title}\n\n| " + " | ".join(columns) + " |\n|---" + "|---:" * (len(columns) - 1) + "|", flush=True)


def row(*cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def ratio(ours, other):
    """The median of the ratios of the rounds."""
    return f"{statistics.median(a / b for a, b in zip(ours, other)):.3g}"


# ---- data and models ----

def spell(rank):
    word = ""
    rank += 26 ** 2
    while rank:
        rank, letter = divmod(rank, 26)
        word += chr(ord("a") + letter)
    return word


def make_texts(server, shape, count):
    """Table "shape": words under Zipf's law, an eighth of which tell the class."""
    words, _, _, _, _, classes, tokens = peers.SHAPES[shape]
    draw = random.Random(7)
    spelled = [spell(i) for i in range(words - 2)]
    weights = [1 / (i + 1) for i in range(len(spelled))]
    path = f"{DIRECTORY}/{shape}.tsv"
    with open(path, "w") as file:
        for i in range(count):
            label = draw.randrange(classes)
            text = draw.choices(spelled, weights, k=tokens)
            for j in range(max(1, tokens // 8)):
                text[draw.randrange(tokens)] = spelled[200 + classes * draw.randrange(300) + label]
            file.write(f"{i}\t{label}\t{' '.join(text)}\n")
    server.run(f"CREATE TABLE {shape} (id int PRIMARY KEY, label text, body text);\n"
               f"\\copy {shape} FROM '{path}'\n VACUUM ANALYZE {shape}")
    if shape == "R1":
        with open(f"{DIRECTORY}/words", "w") as file:
            file.write("\n".join(spelled))


def options(shape, storage="float32", **more):
    words, embedding, units, layers, directions, _, tokens = peers.SHAPES[shape]
    pairs = dict(architecture="bilstm", pooling="last", tokenizer="unicode", num_words=words, min_count=1,
                 maxlen=tokens, embedding_dim=embedding, units=units, layers=layers,
                 bidirectional=directions == 2, batch_size=256, epochs=1, validation_split=0, dropout=0,
                 word_dropout=0, storage=storage, **more)
    return "'{" + ", ".join(f'"{key}": ' + (str(value).lower() if not isinstance(value, str) else f'"{value}"')
                            for key, value in pairs.items()) + "}'"


def read_split(name, split):
    with gzip.open(f"{DATA}/{name}/{split}.tsv.gz", "rt", encoding="utf-8") as file:
        return [line.rstrip("\n").split("\t", 1) for line in file]


def prepare(server, found):
    for shape, count in (("R1", 25600), ("R2", 25600), ("R3", 1600)):
        make_texts(server, shape, count)
        for form, settings in FORMS.items():
            server.run(f"SELECT textclf_train('{shape}', 'body', 'label', '{shape}_{form}', "
                       + options(shape, **settings) + ")")
    if DATA:
        for split in ("train", "test"):
            server.run(f"CREATE TABLE ag_{split} (label text, body text);\n"
                       f"\\copy ag_{split} FROM PROGRAM 'gzip -dc {DATA}/ag_news/{split}.tsv.gz'\n"
                       f"ALTER TABLE ag_{split} ADD id serial PRIMARY KEY;\n VACUUM ANALYZE ag_{split}")
        server.run("SELECT textclf_train('ag_train', 'body', 'label', 'ag')")
    if "torch" in found:
        server.run(peers.TORCH.format(here=os.path.dirname(os.path.abspath(__file__)), directory=DIRECTORY))
    if "fasttext" in found and DATA:
        peers.train_fasttext(DIRECTORY + "/fasttext", read_split("ag_news", "train"), lr=0.5, epoch=5, dim=100)
        server.run(peers.FASTTEXT.format(directory=DIRECTORY))


# ---- the parts ----

def scan(found):
    """Rows per second of queries over tables, in sessions that have used their models."""
    def by_row(call, name, rows):
        return rows, f"SELECT count({call}) FROM (SELECT body FROM {name} LIMIT {rows}) AS t"

    def by_array(call, name, rows):
        return rows, (f"SELECT sum(cardinality({call})) FROM (SELECT array_agg(body) AS body "
                      f"FROM (SELECT body, row_number() OVER () / 256 AS part FROM {name} LIMIT {rows}) AS t "
                      f"GROUP BY part) AS t")

    queries = {}
    for shape, rows in (("R1", 10240), ("R2", 20480), ("R3", 768)):
        for form, name in FORM_NAMES.items():
            call = f"textclf_predict('{shape}_{form}', body)"
            queries[f"{shape} {name}, row by row"] = by_row(call, shape, rows), "torch row" if shape == "R1" else None
            queries[f"{shape} {name}, arrays of 256"] = by_array(call, shape, rows), "torch array" if shape == "R1" else None
    if "torch" in found:
        queries["torch row"] = by_row("torch_predict(body)", "R1", 1024), None
        queries["torch array"] = by_array("torch_predict(body)", "R1", 5120), None
    if DATA:
        queries["default model, ag_news, row by row"] = by_row("textclf_predict('ag', body)", "ag_test", 7600), "fasttext row"
        queries["default model, ag_news, arrays of 256"] = by_array("textclf_predict('ag', body)", "ag_test", 7600), None
        if "fasttext" in found:
            queries["fasttext row"] = by_row("fasttext_predict(body)", "ag_test", 7600), None
    sessions = {name: Session() for name in queries}
    figures = {name: [] for name in queries}
    for name, ((rows, sql), _) in queries.items():
        sessions[name].run(sql)
    for _ in range(ROUNDS):
        for name, ((rows, sql), _) in queries.items():
            figures[name].append(1000 * rows / sessions[name].milliseconds(sql))
    for session in sessions.values():
        session.close()
    names = {"torch row": "PyTorch in PL/Python, R1, row by row", "torch array": "PyTorch in PL/Python, R1, arrays of 256",
             "fasttext row": "fastText in PL/Python, ag_news, row by row"}
    table("Prediction, one backend", "", "rows/s", "times the peer")
    for name, (_, peer) in queries.items():
        row(names.get(name, name), number(statistics.median(figures[name])),
            ratio(figures[name], figures[peer]) if peer in figures else "")


def calls(found):
    result = {"R1 int8": "textclf_predict('R1_int8', $$%s$$)"}
    if DATA:
        result["default model, ag_news"] = "textclf_predict('ag', $$%s$$)"
    if "torch" in found:
        result["PyTorch in PL/Python, R1"] = "torch_predict($$%s$$)"
    if "fasttext" in found and DATA:
        result["fastText in PL/Python, ag_news"] = "fasttext_predict($$%s$$)"
    return result


def first(found):
    """The first call in a new connection, while another one uses the model."""
    contenders = calls(found)
    keepers = [Session() for _ in contenders]
    for keeper, call in zip(keepers, contenders.values()):
        keeper.run("SELECT " + call % "some words")
    figures = {name: [] for name in contenders}
    second = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, call in contenders.items():
            session = Session()
            session.run("SELECT 1")
            figures[name].append(session.milliseconds("SELECT " + call % "some words"))
            second[name].append(session.milliseconds("SELECT " + call % "other words"))
            session.close()
    for keeper in keepers:
        keeper.close()
    table("First call in a new connection", "", "first, ms", "second, ms", "first: PyTorch takes times as long")
    torch = figures.get("PyTorch in PL/Python, R1")
    for name in contenders:
        row(name, number(statistics.median(figures[name])), number(statistics.median(second[name])),
            ratio(torch, figures[name]) if torch else "")


def memory(found):
    """Private memory that a call adds to a backend which has run a query of another kind."""
    table("Private memory of a backend through the use of a model, MB", "", "1 connection", "of 50 connections, mean")
    for name, call in calls(found).items():
        means = []
        for count in (1, 50 if "PL/Python" not in name else 8):
            sessions = [Session() for _ in range(count)]
            for session in sessions:
                session.run("SELECT count(body) FROM R1 WHERE id < 100")
            before = sum(session.memory() for session in sessions)
            for session in sessions:
                session.run("SELECT " + call % "some words")
                session.run(f"SELECT {call.replace('$$%s$$', 'body')} FROM R1 WHERE id < 100")
            means.append((sum(session.memory() for session in sessions) - before) / count)
            for session in sessions:
                session.close()
        row(name, number(means[0]), number(means[1]) + (" (of 8)" if "PL/Python" in name else ""))


def tps(found):
    """pgbench, prepared: one row by its key, predicted; clients count from when all of them are warm."""
    contenders = {"R1 int8": ("textclf_predict('R1_int8', body)", "R1", 8)}
    if DATA:
        contenders["default model, ag_news"] = ("textclf_predict('ag', body)", "ag_test", 8)
    if "torch" in found:
        contenders["PyTorch in PL/Python, R1"] = ("torch_predict(body)", "R1", 8)
    table("Single rows, pgbench", "", "clients", "tps", "p50, ms", "p99, ms", "times PyTorch")
    for clients in (1, 8, 32):
        figures = {}
        for name, (call, relation, seconds) in contenders.items():
            path = f"{DIRECTORY}/pgbench"
            with open(path + ".sql", "w") as file:
                file.write(f"\\set id random(1, 7000)\nSELECT {call} FROM {relation} WHERE id = :id;\n")
            if "PyTorch" in name:
                seconds += int(1.5 * clients)
            subprocess.run([os.environ["BINDIR"] + "/pgbench", "-n", "-M", "prepared", "-f", path + ".sql",
                            "-c", str(clients), "-j", "2", "-T", str(seconds), "-l", "--log-prefix=" + path],
                           check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            figures[name] = latencies(path)
        torch = figures.get("PyTorch in PL/Python, R1")
        for name, (rate, p50, p99) in figures.items():
            row(name, str(clients), number(rate), f"{p50:.2f}", f"{p99:.2f}",
                f"{rate / torch[0]:.3g}" if torch and name != "PyTorch in PL/Python, R1" else "")


def latencies(prefix):
    """Transactions per second, p50 and p99 from pgbench's logs, after the last client's first transaction."""
    ends = []
    warm = {}
    for path in glob.glob(prefix + ".[0-9]*"):
        with open(path) as file:
            for line in file:
                client, _, microseconds, _, second, fraction = line.split()[:6]
                end = int(second) + int(fraction) / 1e6
                ends.append((end, int(microseconds) / 1000))
                warm.setdefault((path, client), end)
        os.unlink(path)
    start = max(warm.values())
    taken = sorted(duration for end, duration in ends if end > start)
    return len(taken) / (max(ends)[0] - start), taken[len(taken) // 2], taken[len(taken) * 99 // 100]


def train(found):
    """Rows per second of an epoch, all cores, batches of 256."""
    table("Training, all cores, batches of 256", "", "rows/s", "times PyTorch")
    for shape, epochs in (("R1", 2), ("R2", 2), ("R3", 1)):
        ours, torch = [], []
        for _ in range(min(ROUNDS, 3)):
            session = Session()
            session.run("SET textclf.progress = off")
            session.run(f"SELECT textclf_train('{shape}', 'body', 'label', 'timed', "
                        + options(shape).replace('"epochs": 1', f'"epochs": {epochs}') + ")")
            ours.append(float(session.value(f"SELECT (SELECT count(*) FROM {shape}) / min(seconds) "
                                            "FROM textclf_history('timed')")))
            session.close()
            if "torch" in found:
                torch.append(peers.train_tuned(shape, 256 if shape != "R3" else 64, 5))
        row(shape, number(statistics.median(ours)), ratio(ours, torch) if torch else "")
        if torch:
            row(f"PyTorch, {shape}" + (", batches of 64" if shape == "R3" else ""),
                number(statistics.median(torch)), "")
    if DATA:
        session = Session()
        seconds = session.milliseconds("SELECT textclf_train('ag_train', 'body', 'label', 'ag')") / 1000
        session.close()
        print(f"\nThe default training on ag_news, whole call: {seconds:.0f} s")
        if "torch" in found:
            rate = peers.train_tuned("ag", 128, 8)
            epochs = 4 * len(read_split("ag_news", "train")) / rate
            print(f"4 epochs of a BiLSTM of 128 in PyTorch, as its speed over 8 s says: {epochs:.0f} s, "
                  f"{epochs / seconds:.2g} times as long")


def parallel(found):
    """A table scan by parallel workers alone."""
    queries = [("R1 int8", "textclf_predict('R1_int8', body)", "R1")]
    if DATA:
        queries.append(("default model, ag_news", "textclf_predict('ag', body)", "ag_train"))
    table("Table scan by parallel workers, rows/s", "", "one", "two", "ratio")
    for name, call, relation in queries:
        session = Session()
        session.run("SET parallel_leader_participation = off; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; "
                    f"SET min_parallel_table_scan_size = 0; ALTER TABLE {relation} SET (parallel_workers = 2)")
        rows = int(session.value(f"SELECT count(*) FROM {relation}"))
        figures = {1: [], 2: []}
        for _ in range(ROUNDS):
            for workers in figures:
                session.run(f"SET max_parallel_workers_per_gather = {workers}")
                figures[workers].append(1000 * rows / session.milliseconds(f"SELECT count({call}) FROM {relation}"))
        session.close()
        row(name, number(statistics.median(figures[1])), number(statistics.median(figures[2])),
            ratio(figures[2], figures[1]))


# ---- what grows with what ----

GROWTH = [  # rows, tokens of a text, classes, words
    ("rows", [(4000, 40, 4, 20000), (8000, 40, 4, 20000), (16000, 40, 4, 20000), (32000, 40, 4, 20000)]),
    ("tokens of a text", [(8000, 20, 4, 20000), (8000, 40, 4, 20000), (8000, 80, 4, 20000)]),
    ("classes", [(8000, 20, 2, 20000), (8000, 20, 10, 20000), (8000, 20, 100, 20000), (8000, 20, 1000, 20000)]),
    ("words", [(32000, 40, 4, 10000), (32000, 40, 4, 100000), (32000, 40, 4, 1000000)]),
]


def make_growth(session, count, tokens, classes, words):
    """Table growth: a text's first words tell its class, the others are any."""
    draw = random.Random(count + tokens + classes + words)
    path = f"{DIRECTORY}/growth.tsv"
    with open(path, "w") as file:
        for i in range(count):
            label = i % classes
            text = [f"c{label}x{draw.randrange(3)}"] + [f"w{int(draw.random() * words)}" for _ in range(tokens - 1)]
            file.write(f"{label}\t{' '.join(text)}\n")
    session.run(f"DROP TABLE IF EXISTS growth;\n CREATE TABLE growth (label text, body text);\n"
                f"\\copy growth FROM '{path}'\n VACUUM ANALYZE growth")


def growth(found):
    """The default architecture with small embeddings, one epoch, as one thing grows at a time."""
    session = Session()
    session.run("SET client_min_messages = warning; SET textclf.progress = off")
    for what, steps in GROWTH:
        table(f"As {what} grow", what, "training, s", "prediction, rows/s", "model, MB")
        for step in steps:
            make_growth(session, *step)
            seconds = session.milliseconds(
                "SELECT textclf_train('growth', 'body', 'label', 'growth', '{\"epochs\": 1, \"embedding_dim\": 16, "
                f"\"units\": 64, \"num_words\": {max(step[3], 3)}, \"min_count\": 1, \"min_rows\": 1, "
                "\"char_ngrams\": false, \"wide_c\": 10}')") / 1000
            query = "SELECT count(textclf_predict('growth', body)) FROM (SELECT body FROM growth LIMIT 4000) AS t"
            session.run(query)
            rate = 4000 / statistics.median(session.milliseconds(query) for _ in range(ROUNDS)) * 1000
            size = float(session.value("SELECT bytes FROM textclf_models WHERE name = 'growth' AND deployed")) / 1e6
            value = {"rows": step[0], "tokens of a text": step[1], "classes": step[2], "words": step[3]}[what]
            row(f"{value:,}", number(seconds), number(rate), number(size))
    session.close()


def main():
    parts = {part.__name__: part for part in (scan, first, memory, tps, train, parallel, growth)}
    wanted = sys.argv[1:] or list(parts)
    server = Session()
    server.run("SET client_min_messages = warning; CREATE EXTENSION textclf; SET textclf.progress = off")
    found = peers.find(server)
    if wanted != ["growth"]:
        prepare(server, found)
    for name in wanted:
        parts[name](found)


main()
