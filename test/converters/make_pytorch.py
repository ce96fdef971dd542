#!/usr/bin/env python3
"""Write pytorch/: state dicts as PyTorch saves them, and what PyTorch answers.

    python3 make_pytorch.py

Run it in this directory, with python3-torch; the tests need the files only.
cases.json lists "good" models, with arguments of from-pytorch, texts and
probabilities, and "bad" ones, with what the converter must say of them.
"""
import json
import os
import struct

import torch
from torch import nn

WORDS = ["the", "goal", "of", "match", "price", "share", "light", "star", "!"]
INDEX = {word: row for row, word in enumerate(["<pad>", "<unk>"] + WORDS)}
LABELS = ["sport", "business", "science"]
TEXTS = ["the goal of the match", "Price SHARE !", "nothing known", "star " * 12 + "light", "share"]


class Classifier(nn.Module):
    def __init__(self, units=5, layers=1, bidirectional=False, pooling="last", classes=3, recurrent=nn.LSTM, bias=True, **more):
        super().__init__()
        self.pooling = pooling
        self.embed = nn.Embedding(len(INDEX), 6, padding_idx=0)
        self.encoder = recurrent(6, units, layers, bidirectional=bidirectional, bias=bias, batch_first=True, **more)
        width = units * (2 if bidirectional else 1) * (2 if pooling == "max_mean" else 1)
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(width, classes))

    def forward(self, ids):
        outputs, (h, _) = self.encoder(self.embed(ids))
        if self.pooling == "last":
            features = torch.cat([h[-2], h[-1]], 1) if self.encoder.bidirectional else h[-1]
        else:
            maximum, mean = outputs.max(1)[0], outputs.mean(1)
            features = {"max": maximum, "mean": mean, "max_mean": torch.cat([maximum, mean], 1)}[self.pooling]
        return self.head(features)


def make(seed, **options):
    torch.manual_seed(seed)
    model = Classifier(**options)
    with torch.no_grad():
        for weights in model.parameters():
            weights.uniform_(-1, 1)
    return model.eval()


def answer(model, text, maxlen=None):
    ids = [INDEX.get(word, 1) for word in text.lower().split()]
    if maxlen is not None:
        ids = [0] * (maxlen - len(ids)) + ids[-maxlen:]
    scores = model(torch.tensor([ids]))[0].detach().double()
    if len(scores) == 1:
        return [1 - torch.sigmoid(scores[0]).item(), torch.sigmoid(scores[0]).item()]
    return torch.softmax(scores, 0).tolist()


def save_safetensors(state, path):
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, tensor in state.items():
        values = tensor.contiguous().numpy().tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def good_cases():
    cases = []
    def add(name, model, arguments, texts=TEXTS, maxlen=None, save=None):
        state = model.state_dict()
        path = name + (".safetensors" if save == "safetensors" else ".pt")
        if save == "safetensors":
            save_safetensors(state, path)
        elif save == "checkpoint":
            torch.save({"epoch": 3, "state_dict": state, "note": "of a training"}, path)
        else:
            torch.save(state, path)
        labels = LABELS if model.head[1].out_features == 3 else ["no", "yes"]
        cases.append({"name": name, "file": path, "arguments": arguments, "labels": labels, "texts": texts,
                      "answers": [dict(zip(labels, answer(model, text, maxlen))) for text in texts]})

    add("last", make(1), ["--pooling", "last"])
    add("stacked", make(2, layers=2, bidirectional=True), ["--pooling", "last"], save="safetensors")
    add("max", make(3, bidirectional=True, pooling="max"), ["--pooling", "max"], save="checkpoint")
    add("mean", make(4, layers=3, pooling="mean", units=3), ["--pooling", "mean", "--tokenizer", "unicode"])
    add("max_mean", make(5, bidirectional=True, pooling="max_mean"), ["--pooling", "max_mean"])
    add("binary", make(6, classes=1, bias=False), ["--pooling", "last"])
    add("padded", make(7), ["--pooling", "last", "--padding", "pre", "--maxlen", "7"], texts=TEXTS + [""], maxlen=7)

    half = make(8)
    state = {name: tensor.half() if "encoder" in name else tensor.bfloat16() for name, tensor in half.state_dict().items()}
    half.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    add("half", half, ["--pooling", "last"])
    torch.save(state, "half.pt")
    return cases


def bad_cases():
    cases = []
    def add(name, state, message, arguments=("--pooling", "last")):
        torch.save(state, name + ".pt")
        cases.append({"name": name, "file": name + ".pt", "labels": LABELS, "arguments": list(arguments), "message": message})

    add("gru", make(1, recurrent=nn.GRU).state_dict(), "nn.GRU")
    add("rnn", make(1, recurrent=nn.RNN).state_dict(), "nn.RNN")
    state = make(1, proj_size=2).state_dict()
    add("projected", state, "proj_size")
    state = make(1).state_dict()
    add("norm", {**state, "norm.running_mean": torch.zeros(5)}, "belongs to no layer")
    add("two_linear", {**state, "a.weight": torch.zeros(5, 5), "a.bias": torch.zeros(5)}, "2 nn.Linear")
    add("two_lstm", {**state, "b.weight_ih_l0": torch.zeros(20, 5)}, "2 recurrent modules")
    add("width", state, "it would have 16", ("--pooling", "max_mean"))
    add("code", {**state, "gone": print}, "not part of a state dict")
    return cases


os.makedirs("pytorch", exist_ok=True)
os.chdir("pytorch")
with open("cases.json", "w") as file:
    json.dump({"vocabulary": INDEX, "good": good_cases(), "bad": bad_cases()}, file, indent=1)
    file.write("\n")
