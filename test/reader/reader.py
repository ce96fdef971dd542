"""Read a model file and classify one text, with numpy and nothing of textclf.

    python3 reader.py MODEL.safetensors 'some words'

Prints a line "label<TAB>probability" per class, in the order of the classes.
Written from src/engine/FORMAT.md alone, so that it proves the page complete:
do not look into the engine to change it.  Only the tokenizer is not rebuilt;
texts must be words of lower-case ASCII letters and digits between spaces.
"""
import hashlib
import json
import struct
import sys

import numpy as np

DTYPES = {"F32": "<f4", "U32": "<u4", "U8": "u1"}


def read_file(path):
    """The metadata, and the tensors by name."""
    with open(path, "rb") as file:
        data = file.read()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__")
    body = data[8 + length :]

    # the digest covers the file with its own field as zeros
    assert data[43:107].decode() == metadata["textclf.digest"]
    zeroed = data[:43] + b"0" * 64 + data[107:]
    assert hashlib.sha256(zeroed).hexdigest() == metadata["textclf.digest"], "digest"
    assert metadata["textclf.format"] == "1" and (8 + length) % 64 == 0

    tensors = {}
    position = 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = entry["data_offsets"]
        assert begin == position, f"gap or overlap before {name}"
        array = np.frombuffer(body[begin:end], DTYPES[entry["dtype"]])
        tensors[name] = array.reshape(entry["shape"])
        position = end
    assert position == len(body), "bytes after the last tensor"
    return metadata, tensors


def strings(tensors, name):
    """A list of strings, from its offsets and bytes."""
    offsets = tensors[name + ".offsets"]
    text = tensors[name + ".bytes"].tobytes()
    return [text[a:b].decode() for a, b in zip(offsets[:-1], offsets[1:])]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(x, kernel, recurrent, bias):
    """Outputs [T,H] of one direction for inputs [T,K]."""
    units = recurrent.shape[0]
    h = np.zeros(units)
    c = np.zeros(units)
    outputs = []
    for row in x:
        i, f, g, o = np.split(row @ kernel + h @ recurrent + bias, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.array(outputs)


def predict(metadata, tensors, text):
    """Probabilities [C]."""
    config = json.loads(metadata["textclf.config"])
    tensors = {name: t.astype(np.float64) if t.dtype == "<f4" else t for name, t in tensors.items()}

    word_id = {word: 2 + i for i, word in enumerate(strings(tensors, "vocabulary"))}
    ids = [word_id.get(word, 1) for word in text.split()]
    maxlen = config["maxlen"]
    if config["architecture"] == "bilstm":
        ids = ids[:maxlen] or [0]
    else:
        ids = [0] * (maxlen - len(ids)) + ids[-maxlen:]

    x = tensors["embedding.weight"][ids]
    for layer in range(config["layers"]):
        parts = lambda d: [tensors[f"lstm.{layer}.{d}.{p}"] for p in ("kernel", "recurrent", "bias")]
        outputs = [lstm(x, *parts("forward"))]
        if config["bidirectional"]:
            outputs.append(lstm(x[::-1], *parts("backward"))[::-1])
        x = np.concatenate(outputs, axis=1)

    if config["pooling"] == "max":
        features = x.max(axis=0)
    elif config["pooling"] == "mean":
        features = x.mean(axis=0)
    else:
        # where each direction ends: the last token forward, the first backward
        features = np.concatenate([outputs[0][-1]] + [o[0] for o in outputs[1:]])

    z = features @ tensors["dense.kernel"] + tensors["dense.bias"]
    p = np.exp(z - z.max())
    return p / p.sum()


def main():
    metadata, tensors = read_file(sys.argv[1])
    for label, p in zip(strings(tensors, "labels"), predict(metadata, tensors, sys.argv[2])):
        print(f"{label}\t{p:.9f}")


main()
