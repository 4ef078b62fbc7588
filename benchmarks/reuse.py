"""Auto against training from scratch, on the demo's tasks with 20, 50 and 100 labels, scored on rows nobody used.

Each draw takes other labelled rows of the task; both ways get the same ones. `peer` is training from scratch (the better of a penalised
linear model and a forest, by cross-validation). Errors: RMSE, or the share of wrong classes. The note says whether the paired difference over
draws lies beyond its noise (two standard errors).
"""

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import market
from benchmarks.report import Row, main

LABELS = (20, 50, 100)
QUICK = ("diamonds-estate", "houses-ames", "homes-fort-worth")


def run(arguments: argparse.Namespace) -> list[Row]:
    market.open_market()
    from marketplace.demo import recipes

    names = arguments.tasks.split(",") if arguments.tasks else (QUICK if arguments.quick else list(recipes.tasks()))
    labels = [int(part) for part in arguments.labels.split(",")] if arguments.labels else ((50,) if arguments.quick else LABELS)
    draws = arguments.seeds or (3 if arguments.quick else 10)
    rows: list[Row] = []
    ratios: dict[int, list[float]] = {n: [] for n in labels}
    for name in names:
        task = Task(name)
        for n in labels:
            found = np.array([task.errors(n, seed) for seed in range(draws)])
            ours, scratch = found[:, 0], found[:, 1]
            ratios[n].append(float(ours.mean() / scratch.mean()))
            rows.append(Row(f"{name}, {n} labels", task.metric, task.unit, float(ours.mean()), peer=float(scratch.mean()), note=task.note(ours, scratch)))
            print(f"{rows[-1].case}: {rows[-1].ours:.4g} against {rows[-1].peer:.4g} ({rows[-1].note})", file=sys.stderr, flush=True)
    for n in labels:
        rows.append(Row(f"all tasks, {n} labels", "geometric mean of the errors' ratios", "", float(np.exp(np.mean(np.log(ratios[n])))), peer=1.0))
    return rows


class Task:
    """A task of the demo with its members' answers, computed once, for many draws of labelled rows."""

    def __init__(self, name: str) -> None:
        from marketplace.demo import recipes as demo
        from reuse import recipes

        self.name, (self.family, task) = name, demo.tasks()[name]
        at_hand, unused = task.rows()
        self.unit = self.family.unit or ""
        self.metric = "error rate" if self.family.is_classification else "RMSE"
        self.folder = Path(tempfile.mkdtemp(prefix="moorage-benchmark-"))
        self.plan = market.plan(market.matched(name), "auto", self.folder / "members", labelled=at_hand, target=self.family.target)
        self.at_hand = recipes.Bench(self.plan, self.folder)
        self.unused = recipes.Bench(market.plan(market.matched(name), "auto", self.folder / "unused", labelled=unused, target=self.family.target), self.folder)

    def errors(self, n: int, seed: int) -> tuple[float, float]:
        """(auto's, scratch's) error on the unused rows, from the same n labelled rows."""
        from reuse import auto, registry

        rows = self._draw(n, seed)
        bench = self._bench(rows, seed)
        fitted, chosen, evidence = auto.choose(bench, lambda *_: None, nested=False)
        self.chosen = [*getattr(self, "chosen", []), chosen]
        from reuse import recipes

        method = registry.find("scratch")
        scratch = recipes.fit(bench, method, method.read_params({}), np.arange(n))
        return self._error(fitted), self._error(scratch)

    def note(self, ours: np.ndarray, scratch: np.ndarray) -> str:
        difference = ours - scratch
        noise = 2 * difference.std(ddof=1) / np.sqrt(len(difference)) if len(difference) > 1 else np.inf
        verdict = "better" if difference.mean() < -noise else "WORSE" if difference.mean() > noise else "alike"
        names, counts = np.unique([name.split("/")[-1] for name in self.chosen[-len(ours):]], return_counts=True)
        return f"{verdict}; chosen: " + ", ".join(f"{name} {count}" for name, count in sorted(zip(names, counts), key=lambda pair: -pair[1]))

    def _draw(self, n: int, seed: int) -> np.ndarray:
        return np.random.default_rng([seed, n]).permutation(len(self.at_hand.y))[:n]

    def _bench(self, rows: np.ndarray, seed: int) -> Any:
        from reuse import recipes
        from reuse.engine import Labelled

        data = Labelled({name: values[rows] for name, values in self.plan.data.columns.items()}, self.plan.data.target[rows])
        bench = recipes.Bench(replace(self.plan, data=data, seed=seed), self.folder)
        bench.__dict__["crowd"] = self.at_hand.crowd.rows(rows)  # the members' answers do not depend on the draw
        return bench

    def _error(self, fitted: Any) -> float:
        from reuse import recipes

        every = np.arange(len(self.unused.y))
        output = recipes.before(fitted, self.unused).predict(every)
        if output.ndim == 2:
            return float((output.argmax(axis=1) != self.unused.y).mean())
        return float(np.sqrt(((output - self.unused.y) ** 2).mean()))


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tasks", default="", help="names of the demo's tasks, with commas (all)")
    parser.add_argument("--labels", default="", help="numbers of labelled rows, with commas (20,50,100)")


if __name__ == "__main__":
    main("reuse", run, doc=__doc__, packages=("torch", "scikit-learn", "numpy"), more=more)
