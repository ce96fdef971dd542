#!/usr/bin/env python3
"""Write the seeds of the fuzz targets into corpus/, from nothing but this script.

Models are written here by the rules of FORMAT.md, not by the engine.
"""
import json
import os
import random
import struct

OPTIONS = {
    "architecture": "bilstm", "tokenizer": "unicode", "mask": [], "mask_pattern": "", "capitals": False, "num_words": 100, "min_count": 1, "min_rows": 1, "maxlen": 5,
    "embedding_dim": 2, "units": 1, "layers": 1, "bidirectional": False, "pooling": "last", "dropout": 0.0, "word_dropout": 0.0,
    "loss": "cross_entropy", "optimizer": "adam", "learning_rate": 0.001, "momentum": 0.9,
    "schedule": "constant", "clip_norm": 0.0, "dense_updates": False, "weight_average": 0.0, "epochs": 1,
    "batch_size": 8, "char_ngrams": False, "wide_c": 10.0, "refit": True, "class_weight": "none", "validation_split": 0.0, "validation_mode": "stratified",
    "early_stopping": 0, "max_seconds": 0.0, "storage": "float32", "precision": "float32",
    "seed": 0,
}


def strings(items):
    data = [s.encode() for s in items]
    offsets = [sum(len(d) for d in data[:i]) for i in range(len(data) + 1)]
    return struct.pack("<%dI" % len(offsets), *offsets), b"".join(data)


def mix(a, b):
    product = (a ^ 0x13198A2E03707344) * (b ^ 0xA4093822299F31D0)
    return (product ^ product >> 64) & (1 << 64) - 1


def fold(value):
    return (value ^ value >> 32) & 0xFFFFFFFF or 1


def hash_bytes(data, seed=0x243F6A8885A308D3):
    value = mix(seed, len(data) ^ 0x243F6A8885A308D3)
    for i in range(0, len(data), 8):
        value = mix(value, int.from_bytes(data[i:i + 8], "little"))
    return value


def model(words, labels, info=None, **changes):
    config = dict(OPTIONS, **changes)
    rng = random.Random(1)
    E, H, C = config["embedding_dim"], config["units"], len(labels)
    directions = ["forward", "backward"][:1 + config["bidirectional"]]
    D = H * len(directions)
    deep, wide = config["architecture"] != "linear", config["architecture"] in ("hybrid", "linear")
    shapes = [("embedding.weight", [len(words) + 2, E])] if deep else []
    for layer in range(config["layers"] if deep else 0):
        for direction in directions:
            prefix = "lstm.%d.%s." % (layer, direction)
            shapes += [(prefix + "kernel", [D if layer else E, 4 * H]), (prefix + "recurrent", [H, 4 * H]),
                       (prefix + "bias", [4 * H])]
    if deep:
        shapes += [("dense.kernel", [D, C]), ("dense.bias", [C])]
    tensors = []
    for name, shape in shapes:
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        if config["storage"] == "int8" and name == "embedding.weight":
            tensors.append((name, "I8", shape, bytes(rng.randrange(256) for _ in range(count))))
            scales = [rng.uniform(0, 0.01) for _ in range(shape[0])]
            continue
        dtype, code = ("F32", "f") if config["storage"] == "float32" else ("F16", "e")
        tensors.append((name, dtype, shape, struct.pack("<%d%s" % (count, code), *(rng.uniform(-1, 1) for _ in range(count)))))
    if deep and config["storage"] == "int8":
        tensors.append(("embedding.scale", "F32", [len(scales)], struct.pack("<%df" % len(scales), *scales)))
    tensors.append(("fusion.scale", "F32", [2], struct.pack("<2f", 0.5 * deep, 1.5 * wide)))
    if wide:
        hashes = [hash_bytes(word.encode()) for word in words]
        hashes = sorted({fold(h) for h in hashes + [mix(a, b) for a, b in zip(hashes, hashes[1:])]})
        F = len(hashes)
        tensors += [("wide.hashes", "U32", [F], struct.pack("<%dI" % F, *hashes)),
                    ("wide.idf", "F32", [F], struct.pack("<%df" % F, *(rng.uniform(1, 4) for _ in hashes))),
                    ("wide.bias", "F32", [C], struct.pack("<%df" % C, *(rng.uniform(-1, 1) for _ in labels))),
                    ("wide.kernel", "F16", [F, C],
                     struct.pack("<%de" % (F * C), *(rng.uniform(-2, 2) for _ in range(F * C))))]
    word_offsets, word_bytes = strings(words)
    label_offsets, label_bytes = strings(labels)
    tensors += [("vocabulary.offsets", "U32", [len(words) + 1], word_offsets),
                ("labels.offsets", "U32", [C + 1], label_offsets),
                ("vocabulary.rows", "U32", [len(words)], struct.pack("<%dI" % len(words), *range(len(words)))),
                ("vocabulary.bytes", "U8", [len(word_bytes)], word_bytes),
                ("labels.bytes", "U8", [len(label_bytes)], label_bytes)]
    metadata = {"textclf.digest": "0" * 64, "textclf.format": "1",
                "textclf.config": json.dumps(config, separators=(",", ":")),
                "textclf.tokenizer_version": "2", "textclf.icu_version": "72.1"}
    if info is not None:
        metadata["textclf.info"] = info
    header, begin = {"__metadata__": metadata}, 0
    for name, dtype, shape, data in tensors:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, begin + len(data)]}
        begin += len(data)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-(8 + len(text)) % 64)
    return struct.pack("<Q", len(text)) + text + b"".join(data for _, _, _, data in tensors)


TEXTS = [
    "", "Hello, World!", "don't U.S.A. 3.14 1,000 a_b", "\u4e2d\u6587\u6d4b\u8bd5", "\u0e44\u0e17\u0e22 \u0e01\u0e48",
    "\ud55c\uad6d \u304b\u3099 \uff76\uff9e", "e\u0301 \uff21\ufb01 \u00df \u0130 \u03a3\u03c2",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f44d\U0001f3fd \u2764\ufe0f \U0001f1e9\U0001f1ea",
    "\ufdfa\ufdfa'\ufdfa", "a" * 70, "\U00010400" * 64 + "'\U00010400", "\U00020000" + "\U0001d165" * 66,
    "joe@example.com www.x.com/a?b=1 4111 1111 1111 1111 +49 (0)170 123-4567 1,000.50", "\u7528@\u4f8b.\u516c\u53f8 555.123.4567 a.b/c",
    "\u05e9\u05dc\u05d5\u05dd \u0633\u0644\u0627\u0645 \u0939\u093f\u0928\u094d\u0926\u0940", "a\u00adb \u200b \ufeff",
]
PATTERNS = [
    "", "(?i)\\bid-[0-9a-f]+", "x*", "^.*$", "(?m)^.", "(?m).$", "(?s).+", "(?<=[a-z])\\d", "(?<!\u4e2d)\u6587", "(?=(a+))\\1b", "(a+)+$", "(?>[^b]*)b",
    "\\X", "\\R", "\\h\\H\\v", "(?w)\\b\\w", "(?x) a # b\n c", "(?i)STRASSE|\u00df|\ufb01", "[\\p{Han}&&[^\u4e2d]]+", "(?<n>.)\\k<n>",
    "\\Qa.b\\E", "\\G\\w", "\\A\\w|\\w\\Z", "\U0001f468\u200d.", "a{2,3}?b{1,}+", "(?i)(.)\\1", "\\b", "\\B.", "$", "\\S+@\\S+",
]
MATCHED = "ID-12ab axxb aab abab\r\nstra\u00dfe STRASSE \ufb01 \u4e2d\u6587\u6587 a.b joe@example.com \U0001f468\u200d\U0001f469 e\u0301\n+49 170 1234567\n"
BYTES = [b"ab \xff", b"ab\xc3", b"\xed\xa0\x80", b"\xf0\x9f\x98", b"a\0b"]


def write(target, seeds):
    os.makedirs("corpus/" + target, exist_ok=True)
    for i, seed in enumerate(seeds):
        with open("corpus/%s/seed%02d" % (target, i), "wb") as f:
            f.write(seed)


texts = [t.encode() for t in TEXTS] + BYTES
write("fuzz_tokenizer", texts)
write("fuzz_predict", [bytes([i % 6]) + t for i, t in enumerate(texts)])
write("fuzz_mask", [bytes([i * 7 % 32, 0, 0, i % 4]) + pattern.encode() + b"\0" + text
                    for i, pattern in enumerate(PATTERNS) for text in (texts[i % len(texts)], MATCHED.encode())])
write("fuzz_decode", [
    model([], ["a", "b"]),
    model(["apple", "x"], ["", "b", "\u00e9"], info='{"rows":1}'),
    model(["\u4e2d"], ["a", "b"], bidirectional=True, pooling="max", layers=2),
    model(["a"], ["a", "b"], architecture="lstm", tokenizer="keras"),
    model(["apple", "x", "\u4e2d"], ["a", "b"], architecture="hybrid", char_ngrams=True),
    model(["apple", "<title>"], ["a", "b", "c"], architecture="linear", capitals=True),
    model([], ["a", "b"], architecture="linear"),
    model(["apple", "x"], ["a", "b"], storage="float16"),
    model(["apple", "x"], ["a", "b"], architecture="hybrid", storage="int8", precision="int8"),
    model(["<card>", "x"], ["a", "b"], architecture="linear", mask=["email", "card"], mask_pattern="(?i)id-(\\d+|[a-f]*)+"),
    b"", b"\0" * 8, struct.pack("<Q", 2) + b"{}",
])
