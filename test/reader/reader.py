"""Read a model file and classify one text, with numpy and nothing of textclf.

    python3 reader.py MODEL.safetensors 'some words'

Prints a line "label<TAB>probability" per class, in the order of the classes.
Written from src/engine/FORMAT.md alone, so that it proves the page complete:
do not look into the engine to change it.  Only the tokenizer is not rebuilt;
texts must be words of ASCII letters and digits between spaces.
"""
import hashlib
import json
import struct
import sys

import numpy as np

DTYPES = {"F32": "<f4", "F16": "<f2", "I8": "i1", "U32": "<u4", "U8": "u1"}

WORD_SEED = 0x243F6A8885A308D3
CHARACTER_SEED = 0x452821E638D01377
SKIP_SEED = 0xBE5466CF34E90C6C
OPENING_SEED = 0x3F84D5B5B5470917
SHAPE_SEED = 0xC0AC29B7C97C50DD
LONG_NUMBER_SEED = 0x3F53D6483683AF22
WIDE_TOKENS = 1024


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


def whole(x, largest):
    """x in steps of 1/127 of its largest magnitude."""
    return np.floor(127 * x / np.where(largest > 0, largest, np.inf) + 0.5)


def lstm(x, kernel, recurrent, bias, scale_of):
    """Outputs [T,H] of one direction for inputs [T,K]; scale_of(row): of inputs as bytes, None without."""
    units = recurrent.shape[0]
    h = np.zeros(units)
    c = np.zeros(units)
    outputs = []
    if scale_of:
        columns = np.maximum(abs(kernel).max(axis=0), abs(recurrent).max(axis=0))
        kernel, recurrent = (whole(w, columns) * columns / 127 for w in (kernel, recurrent))
    for row in x:
        if scale_of:
            row = whole(row, scale_of(row)) * scale_of(row) / 127
        state = whole(h, 1) / 127 if scale_of else h
        i, f, g, o = np.split(row @ kernel + state @ recurrent + bias, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.array(outputs)


def mix(a, b):
    product = (a ^ 0x13198A2E03707344) * (b ^ 0xA4093822299F31D0)
    return (product ^ product >> 64) & (1 << 64) - 1


def hash_bytes(data, seed):
    h = mix(seed, len(data) ^ WORD_SEED)
    for begin in range(0, len(data), 8):
        h = mix(h, int.from_bytes(data[begin : begin + 8], "little"))
    return h


def fold(h):
    return (h ^ h >> 32) & 0xFFFFFFFF or 1


def ngrams(words, characters):
    """Hashes of the n-grams of words that are not single, repetitions included."""
    hashes = [hash_bytes(word.encode(), WORD_SEED) for word in words]
    result = [fold(h) for h in hashes]
    result += [fold(mix(a, b)) for a, b in zip(hashes, hashes[1:])]
    result += [fold(mix(a ^ SKIP_SEED, b)) for a, b in zip(hashes, hashes[2:])]
    result += [fold(mix(OPENING_SEED, h)) for h in hashes[:1]]
    for word in words:
        if len(word) >= 3 and word[0].isdigit() and all(c.isdigit() or c in ".," for c in word):
            shape = "".join("0" if c.isdigit() else c for c in word).encode()
            result.append(fold(hash_bytes(shape, SHAPE_SEED)))
            if len(shape) >= 5:
                result.append(fold(hash_bytes(shape[:5], LONG_NUMBER_SEED)))
    for word in words:
        if not characters or len(word.encode()) < 2 or word[0] == "<":
            continue
        padded = f" {word} "
        for n in range(2, 6):
            for begin in range(len(padded) - n + 1):
                result.append(fold(hash_bytes(padded[begin : begin + n].encode(), CHARACTER_SEED)))
    return result


def tokens(text, capitals):
    """The words of a text, with the marks of those that have capitals."""
    result = []
    before = None
    for word in text.split():
        mark = None
        if capitals and word[0].isupper():
            letters = [c for c in word if c.isalpha()]
            mark = "<upper>" if len(letters) > 1 and all(c.isupper() for c in letters) else "<title>"
        if mark and mark != before and result:
            result.append(mark)
        before = mark if result or mark == "<upper>" else None
        result.append(word.lower())
    return result


def wide_scores(config, tensors, words):
    """Scores [C] of the linear branch."""
    place = {int(h): f for f, h in enumerate(tensors["wide.hashes"])}
    words = words[: max(WIDE_TOKENS, config["maxlen"])]
    count = np.zeros(len(place))
    for h in ngrams(words, config["char_ngrams"]):
        if h in place:
            count[place[h]] += 1
    known = np.flatnonzero(count)
    if not len(known):
        return -np.logaddexp(0, -tensors["wide.bias"])
    v = (1 + np.log(count[known])) * tensors["wide.idf"][known]
    return -np.logaddexp(0, -(v / np.linalg.norm(v) @ tensors["wide.kernel"][known] + tensors["wide.bias"]))


def deep_scores(config, tensors, words):
    """Scores [C] of the network."""
    word_id = {word: 2 + i for i, word in enumerate(strings(tensors, "vocabulary"))}
    ids = [word_id.get(word, 1) for word in words]
    maxlen = config["maxlen"]
    if config["architecture"] == "lstm":
        ids = [0] * (maxlen - len(ids)) + ids[-maxlen:]
    else:
        ids = ids[:maxlen] or [0]

    embedded = tensors["embedding.weight"][ids]
    if "embedding.scale" in tensors:
        embedded = embedded * tensors["embedding.scale"][ids][:, None]
    x = embedded
    for layer in range(config["layers"]):
        parts = lambda d: [tensors[f"lstm.{layer}.{d}.{p}"] for p in ("kernel", "recurrent", "bias")]
        scale_of = None
        if config["precision"] == "int8":
            scale_of = (lambda row: abs(row).max() * (abs(row).max() > 1e-30)) if layer == 0 else (lambda row: 1)
        outputs = [lstm(x, *parts("forward"), scale_of)]
        if config["bidirectional"]:
            outputs.append(lstm(x[::-1], *parts("backward"), scale_of)[::-1])
        x = np.concatenate(outputs, axis=1)

    if config["pooling"] == "max":
        features = x.max(axis=0)
    elif config["pooling"] == "mean":
        features = x.mean(axis=0)
    elif config["pooling"] == "max_mean":
        features = np.concatenate([x.max(axis=0), x.mean(axis=0), embedded.max(axis=0)])
    else:
        # where each direction ends: the last token forward, the first backward
        features = np.concatenate([outputs[0][-1]] + [o[0] for o in outputs[1:]])
    return features @ tensors["dense.kernel"] + tensors["dense.bias"]


def predict(metadata, tensors, text):
    """Probabilities [C]."""
    config = json.loads(metadata["textclf.config"])
    tensors = {name: t.astype(np.float64) if t.dtype.kind == "f" else t for name, t in tensors.items()}
    words = tokens(text, config["capitals"])
    z = np.zeros(len(tensors["labels.offsets"]) - 1)
    if config["architecture"] != "linear":
        z += tensors["fusion.scale"][0] * deep_scores(config, tensors, words)
    if config["architecture"] in ("hybrid", "linear"):
        z += tensors["fusion.scale"][1] * wide_scores(config, tensors, words)
    p = np.exp(z - z.max())
    return p / p.sum()


def main():
    metadata, tensors = read_file(sys.argv[1])
    for label, p in zip(strings(tensors, "labels"), predict(metadata, tensors, sys.argv[2])):
        print(f"{label}\t{p:.9f}")


main()
