"""Write text classifiers as Keras writes them, and what Keras would answer.

    python3 make_keras.py DIRECTORY

Keras itself is not needed.  The layouts of the files are those of Keras 2
(HDF5), of Keras 3 (a zip with config.json and model.weights.h5) and of
TensorFlow 2.12 (the same with another group); how layers compute follows
Keras's documentation: a batch is padded to the longest text or to maxlen, a
masked step repeats the state before it.  DIRECTORY/cases.json then lists
"good" models, with arguments of from-keras, texts and probabilities, and "bad"
ones, with what the converter must say of them.
"""
import io
import json
import os
import sys
import zipfile

import h5py
import numpy as np

FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
WORDS = "the goal of match price share light star a to Straße don't don don' naïve w1 w2 w3 w4 w5".lower().split()
LABELS = ["sport", "business", "science"]
TEXTS = ["the goal of the match", "Price! SHARE, star?", "nothing known here", "a\tto\nnaïve STRASSE-straße don't",
         " ".join(["w1 w2 goal"] * 5), "xyzzy star " * 9 + "the end"]


# ---- Keras's arithmetic ----

def text_to_sequence(tokenizer, text):
    config = tokenizer["config"]
    index = json.loads(config["word_index"])
    limit, oov = config["num_words"], config["oov_token"]
    text = text.lower().translate({ord(c): " " for c in FILTERS})
    sequence = []
    for word in filter(None, text.split(" ")):
        i = index.get(word)
        if i is not None and not (limit and i >= limit):
            sequence.append(i)
        elif oov is not None:
            sequence.append(index[oov])
    return sequence


def pad_sequence(sequence, maxlen, padding, truncating):
    sequence = sequence[-maxlen:] if truncating == "pre" else sequence[:maxlen]
    zeros = [0] * (maxlen - len(sequence))
    return zeros + sequence if padding == "pre" else sequence + zeros


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def run_lstm(x, mask, kernel, recurrent, bias):
    """Outputs [T,H] of all steps, masked ones included, and the last state."""
    h = c = np.zeros(recurrent.shape[0])
    outputs = []
    for step, valid in zip(x, mask):
        z = step @ kernel + h @ recurrent + bias
        i, f, g, o = np.split(z, 4)
        if valid:
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.array(outputs), h


def predict(case, text):
    w = case["weights"]
    ids = np.array(pad_sequence(text_to_sequence(case["tokenizer"], text), case["maxlen"],
                                case["padding"], case["truncating"]))
    mask = ids != 0 if case["mask"] else np.ones(len(ids), bool)
    x = w["embedding"][ids].astype(float)
    for layer in w["lstm"]:
        outputs, last = run_lstm(x, mask, *layer[0])
        states = [last]
        if len(layer) == 2:
            backward, last = run_lstm(x[::-1], mask[::-1], *layer[1])
            outputs = np.hstack([outputs, backward[::-1]])
            states.append(last)
        x = outputs
    if case["pooling"] == "max":
        features = x.max(axis=0)
    elif case["pooling"] == "mean":
        features = x[mask].mean(axis=0)
    else:
        features = np.concatenate(states)
    z = features @ w["dense"][0] + w["dense"][1]
    if case["activation"] == "sigmoid":
        return [1 - sigmoid(z[0]), sigmoid(z[0])]
    p = np.exp(z - z.max())
    return p / p.sum()


# ---- models ----

def make_case(seed, **changes):
    case = {"mask": False, "bidirectional": False, "units": [5], "pooling": None, "activation": "softmax",
            "maxlen": 8, "padding": "pre", "truncating": "pre", "num_words": 18, "oov": "<OOV>",
            "bias": True, "functional": False, "lstm": {}, "dense": {}, "layout": "h5", **changes}
    random = np.random.default_rng(seed)
    draw = lambda *shape: random.uniform(-1, 1, shape).astype(np.float32)
    inputs, V = 6, len(WORDS) + 3
    case["weights"] = weights = {"embedding": draw(V, inputs), "lstm": []}
    for units in case["units"]:
        directions = 2 if case["bidirectional"] else 1
        weights["lstm"].append([[draw(inputs, 4 * units), draw(units, 4 * units),
                                 draw(4 * units) if case["bias"] else np.zeros(4 * units)]
                                for _ in range(directions)])
        inputs = directions * units
    classes = 1 if case["activation"] == "sigmoid" else 3
    weights["dense"] = [2 * draw(inputs, classes), draw(classes)]
    oov = [case["oov"]] if case["oov"] else []
    index = {word: i + 1 for i, word in enumerate(oov + WORDS)}
    case["tokenizer"] = {"class_name": "Tokenizer", "config": {
        "num_words": case["num_words"], "filters": FILTERS, "lower": True, "split": " ", "char_level": False,
        "oov_token": case["oov"], "document_count": 9, "word_counts": "{}", "word_docs": "{}", "index_docs": "{}",
        "index_word": "{}", "word_index": json.dumps(index), **case.get("tokenizer_config", {})}}
    return case


def layers_of(case):
    """Class, name and configuration of every layer, and its weights in parts of a path."""
    w = case["weights"]
    result = [("Embedding", {"input_dim": len(w["embedding"]), "output_dim": w["embedding"].shape[1],
                             "mask_zero": case["mask"]}, {"": [w["embedding"]]}),
              ("SpatialDropout1D", {"rate": 0.2}, {})]
    for number, (units, layer) in enumerate(zip(case["units"], w["lstm"])):
        config = {"name": f"lstm_{number}", "units": units, "activation": "tanh", "recurrent_activation": "sigmoid",
                  "use_bias": case["bias"], "return_state": False, "go_backwards": False, "stateful": False,
                  "return_sequences": number + 1 < len(case["units"]) or case["pooling"] is not None, **case["lstm"]}
        parts = [part if case["bias"] else part[:2] for part in layer]
        if case["bidirectional"]:
            wrapper = {"merge_mode": case.get("merge_mode", "concat"), "layer": {"class_name": "LSTM", "config": config}}
            if case["layout"] == "keras":  # Keras 3 always lists it
                wrapper["backward_layer"] = {"class_name": "LSTM", "config": {**config, "go_backwards": True}}
            result.append(("Bidirectional", wrapper,
                           {"forward_layer/cell": parts[0], "backward_layer/cell": parts[1]}))
        else:
            result.append((case.get("recurrent", "LSTM"), config, {"cell": parts[0]}))
    if case["pooling"]:
        result.append(({"max": "GlobalMaxPooling1D", "mean": "GlobalAveragePooling1D"}[case["pooling"]], {}, {}))
    result.append(("Dropout", {"rate": 0.5}, {}))
    result.append(("Dense", {"units": w["dense"][0].shape[1], "activation": case["activation"], "use_bias": True,
                             **case["dense"]}, {"": w["dense"]}))
    result += case.get("behind", [])
    return [(kind, {"name": f"my_{kind.lower()}_{i + 7}", **config}, weights)
            for i, (kind, config, weights) in enumerate(result)]


def model_config(case, layers, keras3):
    described = [{"class_name": kind, "config": config} for kind, config, _ in layers]
    length = case["maxlen"] if case.get("fixed_input") else None
    inputs = {"class_name": "InputLayer", "config": {"name": "words", ("batch_shape" if keras3 else "batch_input_shape"): [None, length]}}
    described.insert(0, inputs)
    if not case["functional"]:
        return {"class_name": "Sequential", "config": {"name": "sequential", "layers": described}}
    previous = "words"
    for layer in described:
        layer["name"] = layer["config"]["name"]
        if layer is inputs:
            layer["inbound_nodes"] = []
            continue
        source = case.get("skip", {}).get(layer["class_name"], previous)
        layer["inbound_nodes"] = [{"args": [{"class_name": "__keras_tensor__", "config": {
            "shape": [None, None], "dtype": "float32", "keras_history": [source, 0, 0]}}],
            "kwargs": {"mask": None}}] if keras3 else [[[source, 0, 0, {}]]]
        previous = layer["name"]
    return {"class_name": "Functional", "config": {"name": "model", "layers": described}}


def put(group, name, array, path, case):
    """Put numbers into a group; elsewhere: into another file that it refers to."""
    if case.get("elsewhere") == "raw":
        group.create_dataset(name, array.shape, array.dtype, external=[(path + ".raw", 0, h5py.h5f.UNLIMITED)])[...] = array
    elif case.get("elsewhere") == "link":
        with h5py.File(path + ".other", "a") as file:
            file[name] = array
        group[name] = h5py.ExternalLink(path + ".other", name)
    else:
        group[name] = array


def write_h5(path, case):
    layers = layers_of(case)
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = "2.11.0"
        if case["layout"] == "h5":
            file.attrs["model_config"] = json.dumps(model_config(case, layers, False))
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [config["name"].encode() for _, config, _ in layers]
        for kind, config, weights in layers:
            layer = group.create_group(config["name"])
            names = []
            for place, arrays in weights.items():
                for name, array in zip(["kernel", "recurrent_kernel", "bias"] if len(arrays) > 2 else
                                       ["kernel", "bias"], arrays):
                    names.append(f"{config['name']}/{place or 'own'}/{name}:0")
                    put(layer, names[-1], array, path, case)
            if case.get("cut_names") and names:  # as Keras does where the list is too long for an attribute
                layer.attrs["weight_names0"] = [names[0].encode()]
                layer.attrs["weight_names1"] = [name.encode() for name in names[1:]]
            else:
                layer.attrs["weight_names"] = [name.encode() for name in names]


def write_keras(path, case):
    layers = layers_of(case)
    counts, buffer = {}, io.BytesIO()
    with h5py.File(buffer, "w") as file:
        root = file.create_group("layers" if case["layout"] == "keras" else "_layer_checkpoint_dependencies")
        for kind, config, weights in layers:
            name = {"LSTM": "lstm", "Dense": "dense", "Embedding": "embedding", "Bidirectional": "bidirectional"}.get(kind, kind)
            number = counts[name] = counts.get(name, -1) + 1
            group = root.create_group(f"{name}_{number}" if number else name)
            group.create_group("vars")
            for place, arrays in weights.items():
                variables = group.require_group(f"{place}/vars" if place else "vars")
                for i, array in enumerate(arrays):
                    variables[str(i)] = array
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.4.1"}))
        archive.writestr("config.json", json.dumps(model_config(case, layers, True)))
        archive.writestr("model.weights.h5", buffer.getvalue())


GOOD = {
    "textbook": dict(fixed_input=True),
    "stacked": dict(units=[4, 4], layout="keras", fixed_input=True),
    "bidirectional": dict(bidirectional=True, cut_names=True),
    "max": dict(bidirectional=True, pooling="max", layout="keras"),
    "mean": dict(pooling="mean", units=[7], functional=True),
    "unequal": dict(bidirectional=True, units=[6, 3, 5], pooling="max", functional=True, layout="keras"),
    "masked": dict(mask=True, padding="post", truncating="post", bidirectional=True, layout="tf212"),
    "masked_mean": dict(mask=True, truncating="post", units=[5, 3], pooling="mean"),
    "binary": dict(activation="sigmoid", bias=False),
    "all_words": dict(num_words=None, functional=True, layout="keras", behind=[("Activation", {"activation": "softmax"}, {})],
                      activation="linear"),
}

BAD = {
    "hard_sigmoid": (dict(lstm={"recurrent_activation": "hard_sigmoid"}), "recurrent_activation='hard_sigmoid'"),
    "relu": (dict(lstm={"activation": "relu"}), "activation='relu'"),
    "stateful": (dict(lstm={"stateful": True}), "stateful=True"),
    "backwards": (dict(lstm={"go_backwards": True}), "go_backwards=True"),
    "gru": (dict(recurrent="GRU"), r"\(GRU\) is not one that textclf has"),
    "summed": (dict(bidirectional=True, merge_mode="sum"), "merge_mode='sum'"),
    "sequences": (dict(lstm={"return_sequences": True}), "reads every output"),
    "no_sequences": (dict(units=[4, 4], lstm={"return_sequences": False}), "no sequence to read"),
    "masked_max": (dict(mask=True, truncating="post", pooling="max"), "does not look at the mask"),
    "masked_cut": (dict(mask=True), "truncating='post'"),
    "padded_behind": (dict(padding="post"), "reads padding behind the text"),
    "cut_behind": (dict(truncating="post"), "truncating='pre'"),
    "no_oov": (dict(oov=None), "--unknown-as-padding"),
    "split": (dict(tokenizer_config={"split": "|"}), "Keras's defaults"),
    "cased": (dict(tokenizer_config={"lower": False}), "Keras's defaults"),
    "two_dense": (dict(behind=[("Dense", {"units": 3, "activation": "softmax"}, {"": [np.eye(3), np.zeros(3)]})]), "behind the Dense"),
    "many_sigmoids": (dict(dense={"activation": "sigmoid"}), "activation 'sigmoid'"),
    "branches": (dict(functional=True, skip={"Dense": "words"}), "must be a chain"),
    "weights_only": (dict(layout="weights"), "save_weights"),
    "small_embedding": (dict(num_words=None, tokenizer_config={"word_index": json.dumps({"<OOV>": 1, "far": 99})}),
                        "the embedding has"),
    "labels": (dict(labels=["one", "two"]), "2 labels for 3 classes"),
    "not_finite": (dict(infinite=True), "not all finite"),
    "external": (dict(elsewhere="raw"), "refers to another file"),
    "linked": (dict(elsewhere="link"), "refers to another file"),
}


def write_case(directory, name, case):
    """Write the files of a case; returns the converter's arguments."""
    path = os.path.join(directory, name)
    if case.get("infinite"):
        case["weights"]["dense"][1][0] = np.inf
    model = path + (".keras" if case["layout"] in ("keras", "tf212") else ".h5")
    (write_keras if model.endswith(".keras") else write_h5)(model, case)
    with open(path + ".tokenizer.json", "w") as file:
        json.dump(case["tokenizer"], file)
    labels = case.get("labels") or (["no", "yes"] if case["activation"] == "sigmoid" else LABELS)
    with open(path + ".labels", "w") as file:
        file.write("\n".join(labels) + "\n")
    arguments = [model, "--tokenizer", path + ".tokenizer.json", "--labels", path + ".labels",
                 "--padding", case["padding"], "--truncating", case["truncating"]]
    return arguments + ([] if case.get("fixed_input") else ["--maxlen", str(case["maxlen"])]), labels


def main():
    directory = sys.argv[1]
    good, bad = [], []
    for seed, (name, changes) in enumerate(GOOD.items()):
        case = make_case(seed, **changes)
        arguments, labels = write_case(directory, name, case)
        # masked models have no answer for a text without words, or not ours
        texts = TEXTS + ([] if case["mask"] else ["", "?!"])
        good.append({"name": name, "arguments": arguments, "texts": texts,
                     "answers": [dict(zip(labels, map(float, predict(case, text)))) for text in texts]})
    for name, (changes, message) in BAD.items():
        arguments, _ = write_case(directory, "bad_" + name, make_case(99, **changes))
        bad.append({"name": name, "arguments": arguments, "message": message})
    with open(os.path.join(directory, "cases.json"), "w") as file:
        json.dump({"good": good, "bad": bad}, file)


main()
