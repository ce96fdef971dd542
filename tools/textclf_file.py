"""What the converters share: a network of elsewhere, and the file that
textclf_import takes (src/engine/FORMAT.md).

Nothing here knows Keras or PyTorch.
"""
import dataclasses
import hashlib
import json
import struct
import sys

import numpy as np

MAX_TOKENS = 10000  # that a model can look at
MAX_WORD_CHARACTERS = 64  # longer words are several tokens, or cut off
MAX_WORD_BYTES = 256
MAX_LABEL_BYTES = 10000
MAX_LAYERS = 8
KERAS_SEPARATORS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n '


class Refused(Exception):
    """What was given cannot become a model; the text says why."""


def note(text):
    print(f"note: {text}", file=sys.stderr)


@dataclasses.dataclass
class Lstm:
    """One direction of one layer: K inputs, H units, gates i, f, c, o."""

    kernel: np.ndarray  # [K, 4H]
    recurrent: np.ndarray  # [H, 4H]
    bias: np.ndarray  # [4H]

    @property
    def units(self):
        return self.recurrent.shape[0]


@dataclasses.dataclass
class Network:
    """Embedding, LSTM layers, pooling, dense softmax."""

    architecture: str  # "bilstm": reads a text as it is; "lstm": its last maxlen words, padded in front
    tokenizer: str  # "unicode" or "keras"
    maxlen: int
    pooling: str  # "last", "max", "mean" or "max_mean"
    words: list  # str, one for each row of the embedding from 2 on
    embedding: np.ndarray  # [V, E]: padding, unknown words, words
    layers: list  # of [forward] or [forward, backward]
    dense_kernel: np.ndarray  # [P, C]
    dense_bias: np.ndarray  # [C]
    labels: list  # str, by class


# ---- what both kinds of models need ----

def read_labels(path):
    """The labels, by class: a JSON list, or a line for each."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if path.endswith(".json"):
        labels = json.loads(text)
        if not isinstance(labels, list):
            raise Refused(f"{path} is not a JSON list of labels, in the order of the classes")
        labels = [label if isinstance(label, str) else json.dumps(label) for label in labels]
    else:
        labels = text.splitlines()
    if len(set(labels)) != len(labels):
        raise Refused(f"{path} has a label twice")
    if any(len(label.encode()) > MAX_LABEL_BYTES for label in labels):
        raise Refused(f"{path} has a label of more than {MAX_LABEL_BYTES} bytes")
    return labels


def choose_words(index, tokenizer):
    """
    Of index, words to rows of a foreign embedding, those that the tokenizer can
    give, in the order of their rows.
    """
    def possible(word):
        if not word or len(word) > MAX_WORD_CHARACTERS or len(word.encode()) > MAX_WORD_BYTES:
            return False
        if tokenizer == "keras":
            return word == word.lower() and not any(c in KERAS_SEPARATORS for c in word)
        return word == word.casefold() and not any(c.isspace() for c in word)

    words = sorted((word for word in index if possible(word)), key=index.get)
    if len(words) < len(index):
        example = next(word for word in index if not possible(word))
        note(f"{len(index) - len(words)} words of the vocabulary are left out, for no text gives them "
             f"with tokenizer \"{tokenizer}\"; for example {example!r}")
    return words


def choose_reading(masked, padding, truncating, maxlen):
    """
    How the model reads a text: the architecture and the number of words that it
    looks at.  masked: it does not read padding.
    """
    if maxlen is not None and not 1 <= maxlen <= MAX_TOKENS:
        raise Refused(f"a model can look at 1 to {MAX_TOKENS} words of a text, not at {maxlen}")
    if not masked:
        if maxlen is None:
            raise Refused("the model reads padding, and its file does not say how much: give --maxlen")
        if padding != "pre":
            raise Refused("the model reads padding behind the text, which textclf cannot do: "
                          "it pads in front, or not at all")
        if truncating != "pre":
            raise Refused("textclf keeps the end of a text that it pads: the model must have been trained "
                          "with truncating='pre', or give --truncating pre if no text is longer than maxlen")
        return "lstm", maxlen
    if maxlen is not None and truncating != "post":
        raise Refused("textclf keeps the beginning of a text that it does not pad: the model must have been "
                      "trained with truncating='post', or give --truncating post if no text is longer than maxlen")
    return "bilstm", maxlen or MAX_TOKENS


def two_classes(kernel, bias):
    """One output with a sigmoid, as two with a softmax: sigmoid(z) is softmax(0, z)[1]."""
    return np.hstack([np.zeros_like(kernel), kernel]), np.append(np.float32(0), bias)


def widen(lstm, inputs, units):
    """
    The same layer with more units, which are 0 whatever it reads.  inputs: of
    each of its units' inputs, the place among those of the widened layer below.
    """
    H = lstm.units
    columns = np.concatenate([gate * units + np.arange(H) for gate in range(4)])
    kernel = np.zeros((inputs[1], 4 * units), np.float32)
    recurrent = np.zeros((units, 4 * units), np.float32)
    bias = np.zeros(4 * units, np.float32)
    kernel[np.ix_(inputs[0], columns)] = lstm.kernel
    recurrent[np.ix_(np.arange(H), columns)] = lstm.recurrent
    bias[columns] = lstm.bias
    return Lstm(kernel, recurrent, bias)


def align_layers(network):
    """Give all layers as many units as the largest has."""
    directions = len(network.layers[0])
    units = max(lstm.units for layer in network.layers for lstm in layer)
    if any(len(layer) != directions for layer in network.layers):
        raise Refused("some LSTM layers are bidirectional and some are not; textclf has one or the other")
    if all(lstm.units == units for layer in network.layers for lstm in layer):
        return
    E = network.embedding.shape[1]
    inputs = (np.arange(E), E)
    for i, layer in enumerate(network.layers):
        outputs = np.concatenate([d * units + np.arange(lstm.units) for d, lstm in enumerate(layer)])
        network.layers[i] = [widen(lstm, inputs, units) for lstm in layer]
        inputs = (outputs, directions * units)
    blocks = network.dense_kernel[:len(inputs[0]) * (2 if network.pooling == "max_mean" else 1)]
    rest = network.dense_kernel[len(blocks):]
    wide = []
    for block in np.split(blocks, len(blocks) // len(inputs[0])):
        kernel = np.zeros((inputs[1], block.shape[1]), np.float32)
        kernel[inputs[0]] = block
        wide.append(kernel)
    network.dense_kernel = np.vstack(wide + [rest])


def check_shapes(network):
    E = network.embedding.shape[1]
    inputs = E
    if len(network.layers) > MAX_LAYERS:
        raise Refused(f"there are {len(network.layers)} LSTM layers; textclf has at most {MAX_LAYERS}")
    for number, layer in enumerate(network.layers):
        for lstm in layer:
            H = lstm.units
            if lstm.kernel.shape != (inputs, 4 * H) or lstm.recurrent.shape != (H, 4 * H) or lstm.bias.shape != (4 * H,):
                raise Refused(f"the weights of LSTM layer {number + 1} do not fit to its inputs and units")
        inputs = sum(lstm.units for lstm in layer)
    width = 2 * inputs + E if network.pooling == "max_mean" else inputs
    classes = len(network.labels)
    if network.dense_kernel.shape[1] != classes:
        raise Refused(f"there are {classes} labels for {network.dense_kernel.shape[1]} classes")
    if classes < 2:
        raise Refused("a model needs two labels at least")
    if network.dense_kernel.shape[0] != width or network.dense_bias.shape != (classes,):
        raise Refused(f"the dense layer has {network.dense_kernel.shape[0]} inputs; "
                      f"with pooling \"{network.pooling}\" it would have {width}")


# ---- the file ----

def string_tensors(name, strings):
    """A list of strings, as two tensors."""
    encoded = [string.encode() for string in strings]
    offsets = np.cumsum([0] + [len(string) for string in encoded])
    if offsets[-1] >= 2 ** 32:
        raise Refused(f"the {name} is too long")
    return {
        name + ".offsets": offsets.astype("<u4"),
        name + ".bytes": np.frombuffer(b"".join(encoded), np.uint8),
    }


def network_tensors(network):
    tensors = {"embedding.weight": network.embedding}
    for number, layer in enumerate(network.layers):
        for direction, lstm in zip(["forward", "backward"], layer):
            prefix = f"lstm.{number}.{direction}."
            tensors[prefix + "kernel"] = lstm.kernel
            tensors[prefix + "recurrent"] = lstm.recurrent
            tensors[prefix + "bias"] = lstm.bias
    tensors["dense.kernel"] = network.dense_kernel
    tensors["dense.bias"] = network.dense_bias
    tensors["fusion.scale"] = np.array([1, 0])
    tensors = {name: np.ascontiguousarray(tensor, "<f4") for name, tensor in tensors.items()}
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise Refused(f"the weights \"{name}\" are not all finite")
    return tensors


def config_of(network):
    """Every option, as if the network had been trained so."""
    rows, dimensions = network.embedding.shape
    return {
        "architecture": network.architecture, "tokenizer": network.tokenizer, "mask": [], "mask_pattern": "",
        "capitals": False,
        "num_words": max(rows, 3), "min_count": 1, "min_rows": 1, "maxlen": network.maxlen,
        "embedding_dim": dimensions, "units": network.layers[0][0].units,
        "layers": len(network.layers), "bidirectional": len(network.layers[0]) == 2,
        "pooling": network.pooling, "dropout": 0.0, "word_dropout": 0.0,
        "loss": "cross_entropy", "optimizer": "adam", "learning_rate": 0.001, "momentum": 0.9,
        "schedule": "constant", "clip_norm": 0.0, "dense_updates": False, "weight_average": 0.0,
        "epochs": 1, "batch_size": 32, "char_ngrams": False, "wide_c": 10.0, "refit": False,
        "class_weight": "none", "validation_split": 0.0, "validation_mode": "stratified",
        "early_stopping": 0, "max_seconds": 0.0, "storage": "float32",
        "precision": "float32", "seed": 0,
    }


def write(path, network):
    """Check a network and write the file."""
    # classes are in the order of their labels' bytes, as in models that textclf trains
    order = sorted(range(len(network.labels)), key=lambda k: network.labels[k].encode())
    check_shapes(network)
    align_layers(network)
    network.labels = [network.labels[k] for k in order]
    network.dense_kernel = network.dense_kernel[:, order]
    network.dense_bias = network.dense_bias[order]

    tensors = network_tensors(network)
    strings = {**string_tensors("vocabulary", network.words), **string_tensors("labels", network.labels)}
    # those that need alignment first
    for name in ["vocabulary.offsets", "labels.offsets"]:
        tensors[name] = strings.pop(name)
    tensors["vocabulary.rows"] = np.zeros(len(network.words), "<u4")
    tensors.update(strings)

    header = {"__metadata__": {
        "textclf.digest": "0" * 64,
        "textclf.format": "1",
        "textclf.config": json.dumps(config_of(network)),
        "textclf.tokenizer_version": "2",
        "textclf.icu_version": "",
    }}
    names = {np.dtype("<f4"): "F32", np.dtype("<u4"): "U32", np.dtype("u1"): "U8"}
    end = 0
    for name, tensor in tensors.items():
        header[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape),
                        "data_offsets": [end, end + tensor.nbytes]}
        end += tensor.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % 64)
    parts = [struct.pack("<Q", len(text)), text] + [tensor.tobytes() for tensor in tensors.values()]
    digest = hashlib.sha256(b"".join(parts)).hexdigest().encode()
    parts[1] = text.replace(b"0" * 64, digest, 1)
    with open(path, "wb") as file:
        file.writelines(parts)
    print(f"{path}: {len(network.words)} words, {len(network.labels)} labels, "
          f"{sum(map(len, parts)) / 1e6:.1f} MB")


def run(main):
    """Run a converter; what it refuses is one line on standard error."""
    name = sys.argv[0].rsplit("/", 1)[-1]
    try:
        main()
    except (Refused, OSError) as error:
        sys.exit(f"{name}: {error}")
    except Exception as error:  # of the libraries that read files, which may hold anything
        sys.exit(f"{name}: a file is damaged or not what it should be ({type(error).__name__}: {error})")
