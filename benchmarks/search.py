"""Search among 10,000 specifications of real data: recall of the exact order after re-ranking, and time beside the peer's loop.

Specifications are shifted and mixed parts of real tables, made by specs.reduce (16 points). The truth is the exact squared MMD to every one, in float64. With
--text FILE (a CSV with a column `text`) a third space stands for encoders: 384 principal components of TF-IDF. The peer is the `learnware` package's own
distance, one call for each specification as its searcher does it, on its points and kernel, in its own environment.
"""

import argparse
import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import tempfile  # noqa: E402
import time  # noqa: E402
from dataclasses import replace  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from benchmarks import catalog, peers  # noqa: E402
from benchmarks.report import Row, main  # noqa: E402

ROWS = 300
GOALS = {12: .999, 64: .999, 384: .99}


def run(arguments: argparse.Namespace) -> list[Row]:
    size, queries = (1_000, 10) if arguments.quick else (10_000, 50)
    rows = []
    for name in ["flights", "digits"] + (["text"] if arguments.text else []):
        at = text(arguments.text) if name == "text" else catalog.source(name)
        rows += measure(name, at, size, arguments.seeds or queries)
    return rows


def measure(name: str, at: catalog.Source, size: int, queries: int) -> list[Row]:
    import specs
    from specs.index import SpaceIndex

    rng = np.random.default_rng(11)
    d = at.space.d
    drawn = catalog.draw(at, rng, size, ROWS)
    moved = (rng.random((size, 1)) < .5) * rng.normal(scale=.3 if d < 100 else .05, size=(size, d))
    rkmes = [replace(specs.reduce(at.X[drawn[i]] + moved[i], sigma=at.space.sigma, points=16, seed=i), space_id=at.space.id) for i in range(size)]
    index = SpaceIndex(at.space)
    index.add_all(range(size), rkmes)
    asked = [catalog.requirement(at, rng, n=500) for _ in range(queries)]
    index.search(asked[0])
    recalls, took, scanned = [], [], []
    for one in asked:
        began = time.process_time()
        found = [key for key, _ in index.search(one, 10)]
        took.append(time.process_time() - began)
        began = time.process_time()
        exact = np.argsort([specs.squared_mmd(one, other) for other in rkmes], kind="stable")[:10]
        scanned.append(time.process_time() - began)
        recalls.append(len(set(found) & set(exact.tolist())) / 10)
    few = rkmes[:1_000]
    small = SpaceIndex(at.space)
    small.add_all(range(len(few)), few)
    small.search(asked[0])
    began = time.process_time()
    for one in asked[:10]:
        small.search(one, 10)
    ours = (time.process_time() - began) / 10
    with tempfile.TemporaryDirectory(prefix="moorage-peer-") as folder:
        arrays = {"points": np.concatenate([r.points for r in few]), "weights": np.concatenate([r.weights for r in few]), "sizes": np.array([r.size for r in few]),
                  "asked": np.concatenate([r.points for r in asked[:3]]), "asked_weights": np.concatenate([r.weights for r in asked[:3]]), "asked_sizes": np.array([r.size for r in asked[:3]])}
        said, out = peers.ask("learnware", "peer_search.py", {"gamma": 1 / (2 * at.space.sigma**2), "threads": 1}, arrays, Path(folder))
    theirs = [list(np.argsort(row, kind="stable")[:10]) for row in out["distances"]]
    agree = float(np.mean([len({key for key, _ in small.search(one, 10)} & set(row)) / 10 for one, row in zip(asked[:3], theirs, strict=True)]))
    case = f"{name}, d={d}, N={size:,}"
    return [
        Row(case, "recall@10 of the exact order", "", float(np.mean(recalls)), limit=GOALS.get(d, .99), note=f"{queries} requirements"),
        Row(case, "query, re-ranked", "CPU ms", 1e3 * float(np.median(took)), peer=1e3 * float(np.median(scanned)), note="peer: every distance by specs.squared_mmd"),
        Row(f"{name}, d={d}, N=1,000", "query", "CPU ms", 1e3 * ours, peer=1e3 * said["cpu_s"], note=f"peer: learnware's distances; its ten nearest are ours to {agree:.2f}"),
    ]


def text(path: str) -> Any:
    """A space of 384 coordinates: principal components of TF-IDF of the column `text`; parts are by the first other column."""
    import pandas as pd
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    import specs

    frame = pd.read_csv(path)
    X = TruncatedSVD(384, random_state=0).fit_transform(TfidfVectorizer(min_df=2, sublinear_tf=True).fit_transform(frame["text"].astype(str)))
    X /= np.maximum(np.linalg.norm(X, axis=1, keepdims=True), 1e-9) / np.sqrt(384)
    table = pd.DataFrame(X, columns=[f"e{i}" for i in range(384)])
    space = specs.Space.from_table(table, name="text")
    other = next(column for column in frame.columns if column != "text")
    groups = [rows for rows in frame.groupby(other).indices.values() if len(rows) >= 50]
    return catalog.Source(space, space.encode(table), groups)


def more(parser: Any) -> None:
    parser.add_argument("--text", default="", help="a CSV with a column text, for a space of 384 coordinates")


if __name__ == "__main__":
    main("search", run, doc=__doc__, packages=("numpy", "scipy", "faiss-cpu", "scikit-learn"), more=more)
