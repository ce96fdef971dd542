"""Test accuracy of fastText, TF-IDF with logistic regression, naive Bayes and an LSTM in PyTorch on one data set.

  peers_accuracy.py DIRECTORY PEER...    of fasttext, tfidf, bayes, torch: prints four cells of a
                                         table, in %; "-" for what is not named or not installed

fastText's learning rate and epochs are chosen on a tenth of the training rows.
"""
import gzip
import os
import re
import sys
import tempfile

FASTTEXT_SETTINGS = [{"lr": 0.5, "epoch": 5}, {"lr": 0.5, "epoch": 25}, {"lr": 1.0, "epoch": 25}]
SEPARATED = 12  # characters of a word, at most, where words are separated


def read_split(directory, split):
    with gzip.open(os.path.join(directory, split + ".tsv.gz"), "rt", encoding="utf-8") as file:
        return [line.rstrip("\n").split("\t", 1) for line in file]


def tokenizer(rows):
    """Words and signs; characters where words are not separated."""
    sample = " ".join(text for _, text in rows[:1000])
    if len(sample) / (1 + len(sample.split())) > SEPARATED:
        return lambda text: [c for c in text.lower() if not c.isspace()], 3
    pattern = re.compile(r"\w+|[^\w\s]")
    return lambda text: pattern.findall(text.lower()), 2


def accuracy(predicted, rows):
    return 100 * sum(a == label for a, (label, _) in zip(predicted, rows)) / len(rows)


def fasttext_accuracy(train, test, ngrams):
    import fasttext

    fasttext.FastText.eprint = lambda message: None
    labels = sorted({label for label, _ in train})
    number = {label: f"__label__{i}" for i, label in enumerate(labels)}

    def run(rows, judged, settings):
        with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
            file.writelines(f"{number[label]} {text}\n" for label, text in rows)
            file.flush()
            model = fasttext.train_supervised(file.name, wordNgrams=ngrams, dim=50, thread=os.cpu_count(),
                                              verbose=0, **settings)
        return accuracy([labels[int(model.predict(text)[0][0][len("__label__"):])] for _, text in judged], judged)

    held_out = train[::10]
    rest = [row for i, row in enumerate(train) if i % 10]
    best = max(FASTTEXT_SETTINGS, key=lambda settings: run(rest, held_out, settings))
    return run(train, test, best)


def linear_accuracy(train, test, ngrams):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    vectorizer = TfidfVectorizer(token_pattern=r"\S+", ngram_range=(1, ngrams), min_df=2, sublinear_tf=True)
    features = vectorizer.fit_transform(text for _, text in train)
    model = LogisticRegression(C=10, max_iter=200).fit(features, [label for label, _ in train])
    return accuracy(model.predict(vectorizer.transform(text for _, text in test)), test)


def bayes_accuracy(train, test, ngrams):
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import MultinomialNB

    vectorizer = CountVectorizer(token_pattern=r"\S+", ngram_range=(1, ngrams), binary=True)
    features = vectorizer.fit_transform(text for _, text in train)
    model = MultinomialNB(alpha=0.3).fit(features, [label for label, _ in train])
    return accuracy(model.predict(vectorizer.transform(text for _, text in test)), test)


def torch_accuracy(train, test, ngrams):
    from peer_bilstm import bilstm_accuracy

    return bilstm_accuracy(train, test)


PEERS = {"fasttext": fasttext_accuracy, "tfidf": linear_accuracy, "bayes": bayes_accuracy, "torch": torch_accuracy}


def main(directory, wanted):
    unknown = set(wanted) - set(PEERS)
    if unknown:
        sys.exit("no such peer: " + " ".join(sorted(unknown)))
    train = read_split(directory, "train")
    tokens, ngrams = tokenizer(train)
    train, test = ([(label, " ".join(tokens(text))) for label, text in rows]
                   for rows in (train, read_split(directory, "test")))
    for name, measure in PEERS.items():
        try:
            print(f"{measure(train, test, ngrams):.2f} | " if name in wanted else "- | ", end="", flush=True)
        except ImportError:
            print("- | ", end="", flush=True)


main(sys.argv[1], sys.argv[2:])
