"""What textclf is compared with: PyTorch and fastText behind PL/Python.

Each is what a careful user would write: the model is loaded once for each
connection, and a text is split at white space.  find() tells which of them
this machine has; train(...) is PyTorch alone, without a database.
"""
import importlib.util
import os
import subprocess
import sys
import time

# Shapes of the reference models, and of a BiLSTM for news: words, embedding, units, layers, directions, classes, tokens of a text.
SHAPES = {
    "R1": (30000, 128, 128, 2, 1, 4, 40),
    "R2": (5000, 128, 128, 2, 1, 10, 20),
    "R3": (50000, 300, 256, 1, 2, 4, 200),
    "ag": (30000, 128, 128, 1, 2, 4, 45),
}

LOAD_TORCH = """
if 'torch' not in GD:
    import sys
    sys.path.insert(0, '{here}')
    import torch, peers
    torch.set_num_threads(1)
    words = {{word: i + 1 for i, word in enumerate(open('{directory}/words', encoding='utf-8').read().split())}}
    GD['torch'] = torch, peers.network('R1').eval(), words
torch, network, words = GD['torch']
"""

TORCH = """
CREATE FUNCTION torch_predict(doc text) RETURNS int LANGUAGE plpython3u STABLE AS $python$""" + LOAD_TORCH + """
with torch.no_grad():
    return int(network(torch.tensor([[words.get(w, 0) for w in doc.lower().split()[:40]]])).argmax(1))
$python$;
CREATE FUNCTION torch_predict(docs text[]) RETURNS int[] LANGUAGE plpython3u STABLE AS $python$""" + LOAD_TORCH + """
rows = [[words.get(w, 0) for w in doc.lower().split()[:40]] for doc in docs]
longest = max(map(len, rows))
with torch.no_grad():
    return network(torch.tensor([r + [0] * (longest - len(r)) for r in rows])).argmax(1).tolist()
$python$;
"""

FASTTEXT = """
CREATE FUNCTION fasttext_predict(doc text) RETURNS text LANGUAGE plpython3u STABLE AS $python$
if 'fasttext' not in GD:
    import fasttext
    fasttext.FastText.eprint = lambda message: None
    GD['fasttext'] = fasttext.load_model('{directory}/fasttext')
return GD['fasttext'].predict(doc.replace('\\n', ' '))[0][0]
$python$;
"""


def find(server):
    """The peers that are here: a set of 'torch' and 'fasttext'."""
    if server.value("SELECT count(*) FROM pg_available_extensions WHERE name = 'plpython3u'") == "0":
        return set()
    server.run("CREATE EXTENSION plpython3u")
    return {name for name in ("torch", "fasttext") if importlib.util.find_spec(name)}


def network(shape):
    import torch

    words, embedding, units, layers, directions, classes, _ = SHAPES[shape]

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = torch.nn.Embedding(words + 1, embedding, sparse=True)
            self.lstm = torch.nn.LSTM(embedding, units, layers, batch_first=True, bidirectional=directions == 2)
            self.dense = torch.nn.Linear(units * directions, classes)

        def forward(self, ids):
            state = self.lstm(self.embedding(ids))[1][0]
            return self.dense(torch.cat([state[-2], state[-1]], 1) if self.lstm.bidirectional else state[-1])

    torch.manual_seed(0)
    return Network()


def train(shape, batch, seconds):
    """Rows per second of training on random texts: Adam, rows of the embedding apart, denormals flushed."""
    import torch

    words, _, _, _, _, classes, tokens = SHAPES[shape]
    torch.set_flush_denormal(True)
    torch.set_num_threads(os.cpu_count())
    model = network(shape).train()
    ranks = torch.arange(1, words + 1, dtype=torch.float64)
    ids = torch.multinomial(1 / ranks, 8 * batch * tokens, replacement=True).view(8, batch, tokens)
    labels = torch.randint(0, classes, (8, batch))
    optimizers = [torch.optim.SparseAdam(list(model.embedding.parameters())),
                  torch.optim.Adam(list(model.lstm.parameters()) + list(model.dense.parameters()))]
    loss = torch.nn.CrossEntropyLoss()
    done = -2
    while True:
        if done == 0:
            start = time.perf_counter()
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss(model(ids[done % 8]), labels[done % 8]).backward()
        for optimizer in optimizers:
            optimizer.step()
        done += 1
        if done > 0 and time.perf_counter() - start > seconds:
            return done * batch / (time.perf_counter() - start)


def train_tuned(shape, batch, seconds):
    """train in a process of its own, on all cores, with the settings that PyTorch is fastest with."""
    cores = str(os.cpu_count())
    environment = dict(os.environ, OMP_NUM_THREADS=cores, OPENBLAS_NUM_THREADS=cores,
                       **dict(setting.split("=", 1) for setting in os.environ["TUNED"].split()))
    return float(subprocess.run([sys.executable, __file__, shape, str(batch), str(seconds)], env=environment,
                                stdout=subprocess.PIPE, check=True, text=True).stdout)


def train_fasttext(path, rows, **options):
    """Train on (label, text) rows and save the model."""
    import fasttext

    fasttext.FastText.eprint = lambda message: None
    with open(path + ".txt", "w", encoding="utf-8") as file:
        for label, text in rows:
            file.write(f"__label__{label.replace(' ', '_')} {text}\n")
    start = time.perf_counter()
    model = fasttext.train_supervised(path + ".txt", wordNgrams=2, thread=os.cpu_count(), verbose=0, **options)
    seconds = time.perf_counter() - start
    model.save_model(path)
    return seconds


if __name__ == "__main__":
    print(train(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
