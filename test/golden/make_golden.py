#!/usr/bin/env python3
"""Write network.txt and optimizer.txt, the reference values of test/unit.

Networks: PyTorch's nn.LSTM in double precision and its autograd.
Optimizers: the formulas of Keras 3 in NumPy, double precision.

Both files are a sequence of named matrices, grouped into cases:

    case NAME
    matrix NAME ROWS COLUMNS
    ROWS * COLUMNS numbers

Run it in this directory; the output depends on the seeds below only.
"""
import numpy as np
import torch

POOLING = {"last": 0, "max": 1, "mean": 2, "max_mean": 3}
LOSS = {"cross_entropy": 0, "mse": 1}
OPTIMIZER = {"sgd": 0, "momentum": 1, "rmsprop": 2, "adam": 3}


def write(out, name, values):
    values = np.asarray(values, dtype=np.float64)
    matrix = values.reshape(1, -1) if values.ndim < 2 else values
    out.write("matrix %s %d %d\n" % (name, *matrix.shape))
    for row in matrix:
        out.write(" ".join("%.7g" % v for v in row) + "\n")


def single(rng, scale, *shape):
    """Random numbers of few digits, as single precision holds them."""
    return rng.uniform(-scale, scale, shape).round(2).astype(np.float32).astype(np.float64)


# ---- networks ----

def make_weights(rng, layers, bidirectional, pooling, V, E, H, C):
    D = H * (2 if bidirectional else 1)
    weights = {"embedding.weight": single(rng, 1.0, V, E)}
    for layer in range(layers):
        K = E if layer == 0 else D
        for direction in ["forward", "backward"][:1 + bidirectional]:
            prefix = "lstm.%d.%s." % (layer, direction)
            weights[prefix + "kernel"] = single(rng, 0.6, K, 4 * H)
            weights[prefix + "recurrent"] = single(rng, 0.6, H, 4 * H)
            weights[prefix + "bias"] = single(rng, 0.6, 4 * H)
    weights["dense.kernel"] = single(rng, 1.0, 2 * D + E if pooling == "max_mean" else D, C)
    weights["dense.bias"] = single(rng, 0.6, C)
    return weights


def make_lstm(weights, layers, bidirectional, E, H):
    """nn.LSTM has the same order of gates, transposed matrices and two biases."""
    lstm = torch.nn.LSTM(E, H, layers, bidirectional=bool(bidirectional)).double()
    for layer in range(layers):
        for direction, suffix in [("forward", ""), ("backward", "_reverse")][:1 + bidirectional]:
            prefix = "lstm.%d.%s." % (layer, direction)
            for ours, theirs in [("kernel", "weight_ih"), ("recurrent", "weight_hh"), ("bias", "bias_ih")]:
                values = torch.from_numpy(weights[prefix + ours])
                parameter = getattr(lstm, "%s_l%d%s" % (theirs, layer, suffix))
                parameter.data.copy_(values.t() if values.dim() == 2 else values)
            getattr(lstm, "bias_hh_l%d%s" % (layer, suffix)).data.zero_()
    return lstm


def features_of(lstm, inputs, pooling):
    outputs, (h, _) = lstm(inputs.unsqueeze(1))
    if pooling == "last":
        directions = 2 if lstm.bidirectional else 1
        return h[-directions:, 0].reshape(-1)
    maximum, mean = outputs[:, 0].max(0)[0], outputs[:, 0].mean(0)
    if pooling == "max_mean":
        return torch.cat([maximum, mean, inputs.max(0)[0]])
    return maximum if pooling == "max" else mean


def network_case(out, name, seed, layers, bidirectional, pooling, loss, V=20, E=6, H=5, C=3,
                 lengths=(1, 7, 4, 2, 7, 1, 5), weighted=False):
    rng = np.random.default_rng(seed)
    weights = make_weights(rng, layers, bidirectional, pooling, V, E, H, C)
    rows = [rng.integers(0, V, n) for n in lengths]
    classes = rng.integers(0, C, len(rows))
    row_weight = rng.integers(1, 9, len(rows)) / 4.0 if weighted else np.ones(len(rows))

    embedding = torch.from_numpy(weights["embedding.weight"]).requires_grad_()
    dense = torch.from_numpy(weights["dense.kernel"]).requires_grad_()
    bias = torch.from_numpy(weights["dense.bias"]).requires_grad_()
    lstm = make_lstm(weights, layers, bidirectional, E, H)
    total = 0
    probabilities = []
    for ids, class_id, weight in zip(rows, classes, row_weight):
        z = features_of(lstm, embedding[torch.from_numpy(ids)], pooling) @ dense + bias
        p = torch.softmax(z, 0)
        probabilities.append(p.detach().numpy())
        if loss == "mse":
            target = torch.zeros(C, dtype=torch.float64)
            target[class_id] = 1
            total = total + weight * ((p - target) ** 2).mean()
        else:
            total = total - weight * torch.log_softmax(z, 0)[class_id]
    (total / len(rows)).backward()

    out.write("case %s\n" % name)
    write(out, "config", [layers, bidirectional, POOLING[pooling], LOSS[loss], V, E, H, C])
    write(out, "lengths", lengths)
    write(out, "ids", np.concatenate(rows))
    write(out, "classes", classes)
    write(out, "row_weight", row_weight)
    write(out, "loss", [total.item()])
    write(out, "probability", probabilities)
    for tensor, values in weights.items():
        write(out, tensor, values)
    gradients = {"embedding.weight": embedding.grad, "dense.kernel": dense.grad, "dense.bias": bias.grad}
    for layer in range(layers):
        for direction, suffix in [("forward", ""), ("backward", "_reverse")][:1 + bidirectional]:
            for ours, theirs in [("kernel", "weight_ih"), ("recurrent", "weight_hh"), ("bias", "bias_ih")]:
                g = getattr(lstm, "%s_l%d%s" % (theirs, layer, suffix)).grad
                gradients["lstm.%d.%s.%s" % (layer, direction, ours)] = g.t() if g.dim() == 2 else g
    for tensor in weights:
        write(out, "d." + tensor, gradients[tensor].numpy())


def networks():
    with open("network.txt", "w") as out:
        network_case(out, "stack2_last_cross_entropy", 1, 2, 0, "last", "cross_entropy")
        network_case(out, "stack2_last_mse", 2, 2, 0, "last", "mse", E=4, H=4)
        network_case(out, "bilstm_max_cross_entropy", 3, 1, 1, "max", "cross_entropy")
        network_case(out, "bilstm_mean_mse", 4, 1, 1, "mean", "mse", weighted=True)
        network_case(out, "lstm_mean_cross_entropy", 5, 1, 0, "mean", "cross_entropy", weighted=True)
        network_case(out, "stack2_bilstm_last_cross_entropy", 6, 2, 1, "last", "cross_entropy", E=4, H=4)
        network_case(out, "stack3_bilstm_max_mse", 7, 3, 1, "max", "mse", E=3, H=3)
        network_case(out, "wide_bilstm_max_cross_entropy", 8, 1, 1, "max", "cross_entropy", V=9, E=3, H=17, C=2,
                     lengths=(3, 12, 12, 1))
        network_case(out, "bilstm_max_mean_cross_entropy", 10, 1, 1, "max_mean", "cross_entropy", weighted=True)
        network_case(out, "stack2_max_mean_mse", 11, 2, 0, "max_mean", "mse", V=9, E=7, H=3)
        network_case(out, "one_class_pair_long_last", 9, 1, 0, "last", "cross_entropy", H=4, C=2, lengths=(40, 39))


# ---- optimizers ----

def update(kind, w, m, v, g, rate, momentum, t):
    """One update of arrays of the same shape, in place."""
    if kind == "sgd":
        w -= rate * g
    elif kind == "momentum":
        m[...] = momentum * m - rate * g
        w += m
    elif kind == "rmsprop":
        v[...] = 0.9 * v + 0.1 * g * g
        w -= rate * g / np.sqrt(v + 1e-7)
    else:
        m += (g - m) * (1 - 0.9)
        v += (g * g - v) * (1 - 0.999)
        alpha = rate * np.sqrt(1 - 0.999 ** t) / (1 - 0.9 ** t)
        w -= alpha * m / (np.sqrt(v) + 1e-7)


def optimizer_case(out, name, seed, kind, dense_updates, rate, steps=10, average=0.0):
    rng = np.random.default_rng(seed)
    V, E, H, C = 7, 2, 2, 2
    momentum = 0.875
    weights = make_weights(rng, 1, 0, "last", V, E, H, C)
    out.write("case %s\n" % name)
    write(out, "config", [OPTIMIZER[kind], dense_updates, rate, momentum, average, V, E, H, C, steps])
    for tensor, values in weights.items():
        write(out, tensor, values)
    m = {tensor: np.zeros_like(values) for tensor, values in weights.items()}
    v = {tensor: np.zeros_like(values) for tensor, values in weights.items()}
    mean = {tensor: np.zeros_like(values) for tensor, values in weights.items()}
    for step in range(steps):
        rows = np.sort(rng.permutation(V)[:rng.integers(1, 5)])
        write(out, "rows.%d" % step, rows)
        for tensor in weights:
            embedding = tensor == "embedding.weight"
            g = single(rng, 0.3, len(rows), E) if embedding else single(rng, 0.3, *weights[tensor].shape)
            write(out, "d.%d.%s" % (step, tensor), g)
            if embedding and dense_updates:
                whole = np.zeros((V, E))
                whole[rows] = g
                update(kind, weights[tensor], m[tensor], v[tensor], whole, rate, momentum, step + 1)
            elif embedding:
                parts = [x[tensor][rows] for x in (weights, m, v)]
                update(kind, *parts, g, rate, momentum, step + 1)
                for x, part in zip((weights, m, v), parts):
                    x[tensor][rows] = part
            else:
                update(kind, weights[tensor], m[tensor], v[tensor], g, rate, momentum, step + 1)
            mean[tensor] = average * mean[tensor] + (1 - average) * weights[tensor]
    for tensor in weights:
        write(out, "after." + tensor, weights[tensor])
        if average > 0:
            write(out, "average." + tensor, mean[tensor] / (1 - average ** steps))


def optimizers():
    with open("optimizer.txt", "w") as out:
        for seed, kind, rate in [(1, "sgd", 0.1), (2, "momentum", 0.05), (3, "rmsprop", 0.01), (4, "adam", 0.01)]:
            optimizer_case(out, kind + "_lazy", seed, kind, 0, rate)
            optimizer_case(out, kind + "_dense", seed + 10, kind, 1, rate)
        optimizer_case(out, "adam_lazy_average", 5, "adam", 0, 0.01, average=0.8)


networks()
optimizers()
