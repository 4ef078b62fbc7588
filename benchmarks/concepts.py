"""Equal inputs, different concepts: 240 models whose P(X) is the same, told apart by a few labelled rows.

Digits (scikit-learn's 1,797). A concept is a set of five digit classes: rows of them are "yes". Each of 240 models is a logistic regression on
300 rows under a concept of its own, and its specification carries label statistics. A requester's concept is one that no model has; the best model is the
one that does best on 700 rows that nobody used (the oracle). Regret is the oracle's accuracy less that of the model picked, mean over requesters.
"""

import argparse
import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import itertools  # noqa: E402
from dataclasses import replace  # noqa: E402

import numpy as np  # noqa: E402

from benchmarks.report import Row, main  # noqa: E402

MODELS = 240
RUN = 10  # models that are run on the labelled rows
GOALS = {30: .06, 100: .02}


def run(arguments: argparse.Namespace) -> list[Row]:
    requesters = arguments.seeds or (12 if arguments.quick else 100)
    found = measure(requesters)
    rows = []
    for labels, ways in found.items():
        for way, regret in ways.items():
            if way == "oracle":
                continue
            goal = GOALS.get(labels) if way == "proposed by labels, best 10 run" else None
            rows.append(Row(f"{labels} labelled rows", f"regret: {way}", "", float(np.mean(regret)), limit=goal, note=f"oracle {np.mean(ways['oracle']):.3f}, ± {np.std(regret) / len(regret) ** .5:.3f}"))
    return rows


def measure(requesters: int) -> dict[int, dict[str, list[float]]]:
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression

    import specs
    from specs.index import SpaceIndex

    rng = np.random.default_rng(0)
    data, digit = load_digits(return_X_y=True)
    table = {f"p{i}": data[:, i] for i in range(64)}
    space = specs.Space.from_table(table, name="digits")
    X = space.encode(table)
    order = rng.permutation(len(X))
    offered, asked, unseen = order[:900], order[900:1097], order[1097:]
    concepts = [frozenset(c) for c in itertools.combinations(range(10), 5)]
    chosen = [concepts[i] for i in rng.permutation(len(concepts))]
    held, others = chosen[:MODELS], chosen[MODELS:]
    predictions, rkmes = np.empty((MODELS, len(X))), []
    for i, concept in enumerate(held):
        rows = rng.choice(offered, 300, replace=False)
        y = np.isin(digit[rows], list(concept))
        predictions[i] = LogisticRegression(C=0.05, max_iter=300).fit(X[rows], y).predict_proba(X)[:, 1]
        rkme = replace(specs.reduce(X[rows], sigma=space.sigma, points=60, seed=i), space_id=space.id)
        rkmes.append(specs.attach(rkme, X[rows], np.where(y, "yes", "no")))
    index = SpaceIndex(space)
    index.add_all(range(MODELS), rkmes)
    out: dict[int, dict[str, list[float]]] = {}
    for labels in (10, 30, 100):
        ways: dict[str, list[float]] = {}
        for r in range(requesters):
            concept = others[r % len(others)]
            chance = np.random.default_rng(1000 * labels + r)
            rows = chance.choice(asked, labels, replace=False)
            y = np.isin(digit[rows], list(concept))
            if y.all() or not y.any():
                continue
            plain = replace(specs.reduce(X[asked], sigma=space.sigma, points=60, seed=r), space_id=space.id)
            one = specs.attach(plain, X[rows], np.where(y, "yes", "no"))
            accuracy = ((predictions[:, unseen] > 0.5) == np.isin(digit[unseen], list(concept))).mean(axis=1)
            loss = ((predictions[:, rows] - y) ** 2).mean(axis=1)  # as ensemble/selected does
            by_labels = [key for key, _ in index.search(one, RUN)]
            by_inputs = index.search(plain, 1)[0][0]
            picks = {
                "oracle": None, "inputs alone (what peers do)": by_inputs, "labels, none run": by_labels[0],
                "proposed by labels, best 10 run": min(by_labels, key=lambda key: loss[key]), "all 240 run": int(np.argmin(loss)),
            }
            for way, pick in picks.items():
                ways.setdefault(way, []).append(float(accuracy.max()) if pick is None else float(accuracy.max() - accuracy[pick]))
        out[labels] = ways
    return out


if __name__ == "__main__":
    main("concepts", run, doc=__doc__, packages=("numpy", "scikit-learn"))
