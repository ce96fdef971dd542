"""A bidirectional LSTM in PyTorch, as one would write it: test accuracy on one data set.

Embedding and LSTM of 128, maximum over time, dropout, softmax; Adam; the epoch with
the lowest loss on a tenth of the training rows counts.
"""
import collections

import torch
from torch import nn

WORDS = 30000
LONGEST = 256  # words of a text
WIDTH = 128
EPOCHS = 20
PATIENCE = 3  # epochs without a lower loss
BATCH = 64
PADDING, UNKNOWN = 0, 1


class Classifier(nn.Module):
    def __init__(self, words, classes):
        super().__init__()
        self.embedding = nn.Embedding(words, WIDTH, padding_idx=PADDING)
        self.lstm = nn.LSTM(WIDTH, WIDTH, bidirectional=True, batch_first=True)
        self.dropout = nn.Dropout(0.5)
        self.dense = nn.Linear(2 * WIDTH, classes)

    def forward(self, texts, lengths):
        packed = nn.utils.rnn.pack_padded_sequence(self.embedding(texts), lengths, batch_first=True, enforce_sorted=False)
        states, _ = nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True, padding_value=-1e9)
        return self.dense(self.dropout(states.max(dim=1)[0]))


def batches(rows, generator=None):
    """Texts, lengths and classes of a batch at a time, of similar lengths; shuffled with a generator."""
    order = torch.randperm(len(rows), generator=generator).tolist() if generator else list(range(len(rows)))
    order = [i for start in range(0, len(order), 50 * BATCH)
             for i in sorted(order[start:start + 50 * BATCH], key=lambda i: len(rows[i][1]))]
    cuts = [order[start:start + BATCH] for start in range(0, len(order), BATCH)]
    for number in torch.randperm(len(cuts), generator=generator).tolist() if generator else range(len(cuts)):
        batch = [rows[i] for i in cuts[number]]
        texts = nn.utils.rnn.pad_sequence([torch.tensor(ids) for _, ids in batch], batch_first=True, padding_value=PADDING)
        yield texts, torch.tensor([len(ids) for _, ids in batch]), torch.tensor([label for label, _ in batch])


def judge(model, rows):
    """Mean loss and accuracy."""
    model.eval()
    loss = correct = 0
    with torch.no_grad():
        for texts, lengths, labels in batches(rows):
            scores = model(texts, lengths)
            loss += nn.functional.cross_entropy(scores, labels, reduction="sum").item()
            correct += (scores.argmax(dim=1) == labels).sum().item()
    return loss / len(rows), correct / len(rows)


def bilstm_accuracy(train, test):
    """Share of the test rows that it gets right, in %; rows are (label, text of tokens and spaces)."""
    torch.manual_seed(0)
    torch.set_flush_denormal(True)
    generator = torch.Generator().manual_seed(0)
    counts = collections.Counter(word for _, text in train for word in text.split()[:LONGEST])
    words = {word: 2 + i for i, (word, n) in enumerate(counts.most_common(WORDS)) if n > 1}
    classes = {label: i for i, label in enumerate(sorted({label for label, _ in train}))}

    def encode(rows):
        return [(classes.get(label, len(classes)), [words.get(word, UNKNOWN) for word in text.split()[:LONGEST]] or [UNKNOWN])
                for label, text in rows]

    encoded = encode(train)
    held_out = encoded[::10]
    rest = [row for i, row in enumerate(encoded) if i % 10]
    model = Classifier(2 + len(words), len(classes))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    best_loss, best, since = float("inf"), None, 0
    for _ in range(EPOCHS):
        model.train()
        for texts, lengths, labels in batches(rest, generator):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(texts, lengths), labels).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        loss, _ = judge(model, held_out)
        since += 1
        if loss < best_loss:
            best_loss, since = loss, 0
            best = {name: value.clone() for name, value in model.state_dict().items()}
        if since == PATIENCE:
            break
    model.load_state_dict(best)

    # a label that the training rows lack is one it never finds
    known = [row for row in encode(test) if row[0] < len(classes)]
    return 100 * judge(model, known)[1] * len(known) / len(test)
