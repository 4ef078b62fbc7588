"""The main job, as a requester does it: a data file in, a working predictor out. Everything goes through HTTP.

The requester holds a file of rows without labels and a few labelled ones. What each predictor scores is measured here, on rows
that neither the market nor any method has seen.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import moorage
from marketplace.demo import recipes
from reuse import evidence

# (what the table says, the method, whether the labelled rows go along)
WAYS = (
    ("best single", "ensemble/best-single", False),
    ("mixture", "ensemble/hedged", False),
    ("auto", "auto", True),
    ("from scratch", "scratch", True),
)
Say = Callable[[str], None]


@dataclass(frozen=True)
class Row:
    """One line of the table: `score` on rows nobody used, with its 95 % interval."""

    what: str
    method: str
    labels: int
    score: float
    low: float
    high: float
    models: int
    job: str


@dataclass(frozen=True)
class Report:
    """What the main job found for one task."""

    task: str
    title: str
    metric: str
    unit: str | None
    higher_is_better: bool
    rows_described: int
    labels: int
    rows_unused: int
    nearest: str
    nearest_mmd: float
    coverage: float
    mixture: list[dict[str, Any]]
    rows: list[Row]
    seconds: float
    match_url: str
    predictor: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Files:
    """What the requester has on disk, and the truth that nobody is shown."""

    asked: Path
    labelled: Path
    unused: Path
    truth: np.ndarray
    target: str


def prepare(name: str, folder: Path) -> Files:
    """Write a task's files: rows to describe (no labels), a few labelled rows, rows to predict."""
    family, task = recipes.tasks()[name]
    at_hand, unused = task.rows()
    folder.mkdir(parents=True, exist_ok=True)
    asked, labelled, new = folder / f"{name}.csv", folder / f"{name}-labelled.csv", folder / f"{name}-new.csv"
    at_hand.drop(columns=family.target).to_csv(asked, index=False)
    at_hand[: task.labels].to_csv(labelled, index=False)
    unused.drop(columns=family.target).to_csv(new, index=False)
    return Files(asked, labelled, new, unused[family.target].to_numpy(), family.target)


def run(name: str, url: str, token: str, folder: Path, say: Say = lambda text: None) -> Report:
    """Do the main job for one task of the demo; files and predictors are left in `folder`."""
    began = time.monotonic()
    family, task = recipes.tasks()[name]
    files, market = prepare(name, folder), moorage.Market(url, token)
    say(f"Describing {files.asked.name}: its rows stay here")
    requirement = market.describe(pd.read_csv(files.asked), name=task.title)
    say("Matching the specification")
    match = market.match(requirement, target=family.target, task=family.task)
    labelled, unused = pd.read_csv(files.labelled), pd.read_csv(files.unused)
    jobs = []
    for what, method, labels in WAYS:
        data = {"data": labelled, "target": family.target} if labels else {}
        jobs.append((what, labels, market.reuse(match, method=method, **data)))
    rows = []
    for what, labels, job in jobs:
        job.wait(timeout_s=600, seen=lambda seen, what=what: say(f"Reusing, {what}: {seen['message'] or seen['status']}"))
        target = _fresh(folder / f"{name}-{what.replace(' ', '-')}")
        job.download(target)
        say(f"Predicting {len(unused):,} rows with {what}")
        rows.append(_row(what, job, len(labelled) if labels else 0, moorage.predict(target, unused), files.truth))
    mixture = [{"reference": member["reference"], "weight": round(member["weight"], 4)} for member in match.mixture["members"]]
    return Report(
        task=name, title=task.title, metric="accuracy" if family.is_classification else "rmse", unit=family.unit, higher_is_better=family.is_classification,
        rows_described=requirement.rkme.n, labels=len(labelled), rows_unused=len(unused), nearest=match.singles[0]["reference"],
        nearest_mmd=match.singles[0]["mmd"], coverage=match.mixture["coverage"], mixture=mixture, rows=rows, seconds=round(time.monotonic() - began, 1),
        match_url=match.url, predictor=str(folder / f"{name}-auto"),
    )


def _row(what: str, job: Any, labels: int, found: Any, truth: np.ndarray) -> Row:
    if found.probabilities is not None:
        numbers = {label: i for i, label in enumerate(found.classes)}
        score, low, high = evidence.score(found.probabilities, np.array([numbers.get(str(label), -1) for label in truth]))
    else:
        score, low, high = evidence.score(found.values, truth.astype(float))
    return Row(what, job.lineage["method"], labels, score, low, high, len(job.lineage["members"]), job.id)


def _fresh(folder: Path) -> Path:
    """The folder, without what an earlier run left in it."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
    return folder
