"""Eight small tasks, one backbone: every merge against the singles, the output ensemble and each other.

MNIST in seven disguises and scikit-learn's digits, disjoint pictures: 4,000 / 1,000 / 2,000 a task to learn, choose and score on (digits 900 / 200 / 697).
One backbone (the registered mlp, 784-256-256-256-64) is pre-trained on 60 pictures of each task, then fine-tuned on each task alone. Its answers
are held against unit vectors of a task's classes (logits 15 cos), learned in pre-training and frozen since, as published benchmarks freeze a head for each
task. Only backbones are merged, with our code at our defaults, and with a scale chosen out of 14 by mean accuracy on the rows to choose on. `limit` is
the mean of the singles, each on its own task, so `ratio` is what published tables call normalised accuracy.

RegMean and Fisher look at 256 unlabelled rows a task, or at the 100 weighted points of a specification of the task's rows and at no row at all.
The last rows choose among all methods and their own sweeps by a few labelled rows a task, as `auto` would; `limit` there is the best on the scoring rows.
"""

import argparse
import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Iterator, Sequence  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from functools import cached_property  # noqa: E402
from importlib import import_module  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from benchmarks import digits  # noqa: E402
from benchmarks.report import Row, main  # noqa: E402

CONFIG = {"inputs": 784, "hidden": [256, 256, 256], "outputs": 64, "activation": "gelu", "norm": True}
COSINE = 15.0  # logits are so many times the cosine of an answer and a class's vector
STYLES = {
    "plain": digits.plain, "quarter turn": digits.quarter_turn, "flipped": digits.flipped, "inverted": digits.inverted,
    "noisy": digits.noisy(0.6, 0.5), "zoomed": digits.zoomed(1.3), "sheared, parity": digits.sheared(0.3), "small digits": None,
}
SIZES, SMALL_SIZES = (4_000, 1_000, 2_000), (900, 200, 697)
FIRST, STEPS = 60, 600  # rows a task, steps of pre-training
QUICK = ("weight average", "task arithmetic", "TIES, 20 %", "breadcrumbs (.85 / .01)", "TSV-M", "Iso-C", "RegMean, 256 rows", "RegMean, specification")
SCALES = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.2, 1.5, 2.0, 2.5)
LOOKED_AT, POINTS = 256, 100
LABELS = (50, 200)
DRAWS = 10
Weights = dict[str, np.ndarray]
Part = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Case:
    """A way to merge: its name here, the method's address, parameters, and which statistics it is given."""

    name: str
    address: str
    params: dict[str, Any]
    statistics: str = ""


CASES = (
    Case("weight average", "merge/average", {}),
    Case("task arithmetic", "merge/task-arithmetic", {}),
    Case("TIES, 20 %", "merge/ties", {}),
    Case("TIES, 20 % a tensor", "merge/ties", {"per_tensor": True}),
    Case("DARE .5", "merge/dare", {}),
    Case("DARE .9", "merge/dare", {"drop": 0.9}),
    Case("DARE .5 with TIES, 20 %", "merge/dare", {"ties": True, "scale": 1.0}),
    Case("breadcrumbs .15 / .006", "merge/breadcrumbs", {"keep": 0.15, "drop_top": 0.006}),
    Case("breadcrumbs .3 / .01", "merge/breadcrumbs", {"keep": 0.3}),
    Case("breadcrumbs .6 / .01", "merge/breadcrumbs", {"keep": 0.6}),
    Case("breadcrumbs (.85 / .01)", "merge/breadcrumbs", {}),
    Case("breadcrumbs .9 / .01", "merge/breadcrumbs", {"keep": 0.9}),
    Case("breadcrumbs .15 / .006 a row", "merge/breadcrumbs", {"keep": 0.15, "drop_top": 0.006, "per_row": True}),
    Case("breadcrumbs .9 / .01 a row", "merge/breadcrumbs", {"keep": 0.9, "per_row": True}),
    Case("TSV-M", "merge/tsv", {}),
    Case("Iso-C", "merge/iso-c", {}),
    Case("Iso-C at 1.5", "merge/iso-c", {"scale": 1.5}),
    Case("Fisher, 256 rows", "merge/fisher", {}, "rows"),
    Case("Fisher, specification", "merge/fisher", {}, "points"),
    Case("RegMean, 256 rows", "merge/regmean", {}, "rows"),
    Case("RegMean, specification", "merge/regmean", {}, "points"),
    Case("RegMean, all rows", "merge/regmean", {}, "all"),
)


def run(arguments: argparse.Namespace) -> list[Row]:
    import torch

    torch.set_num_threads(1)
    seeds = arguments.seeds or (1 if arguments.quick else 5)
    found = []
    for seed in range(seeds):
        begun = time.perf_counter()
        found.append(measure(World(seed), [case for case in CASES if case.name in QUICK] if arguments.quick else CASES))
        one = found[-1]["accuracy"]
        print(f"seed {seed}: " + ", ".join(f"{name} {100 * one[name][0].mean():.1f}" for name in ("base", "singles", "task arithmetic", "TSV-M", "RegMean, 256 rows"))
              + f"; {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
    return [*_tables(found), *_choices(found)]


def _tables(found: list[dict[str, Any]]) -> Iterator[Row]:
    names = list(STYLES)
    single = float(np.mean([one["accuracy"]["singles"][0].mean() for one in found])) * 100
    for name in found[0]["accuracy"]:
        tries = [one["accuracy"][name] for one in found]
        for metric, which in (("default", 0), ("tuned", 1)):
            if which >= len(tries[0]):
                continue
            parts = 100 * np.array([one[which] for one in tries])  # (seeds, tasks)
            worst = int(parts.mean(axis=0).argmin())
            scales = "scales " + " ".join(f"{one[2]:g}" for one in tries) + "; " if which else ""
            note = f"± {_sd(parts.mean(axis=1)):.1f}; {scales}worst: {names[worst]} {parts[:, worst].mean():.1f}"
            yield Row(name, metric, "%", float(parts.mean()), limit=single, note=note)


def _choices(found: list[dict[str, Any]]) -> Iterator[Row]:
    for way in found[0]["chosen"]:
        picked = 100 * np.array([np.mean([accuracy for accuracy, _ in one["chosen"][way]]) for one in found])
        best = 100 * np.array([one["best"] for one in found])
        names, counts = np.unique([name for one in found for _, name in one["chosen"][way]], return_counts=True)
        often = ", ".join(f"{name} {count}" for count, name in sorted(zip(counts, names), reverse=True)[:4])
        yield Row(way, "chosen", "%", float(picked.mean()), limit=float(best.mean()), note=f"{(best - picked).mean():.2f} below the best ± {_sd(best - picked):.2f}; {often}")


def _sd(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0


@dataclass(frozen=True)
class Task:
    """Rows (n, 784) and classes (n,) of each part."""

    name: str
    classes: int
    train: Part
    validation: Part
    test: Part


def tasks(seed: int) -> list[Task]:
    rng = np.random.default_rng([8, seed])
    pictures, labels = digits.mnist()
    order, found = rng.permutation(len(pictures)), []
    for number, (name, style) in enumerate(STYLES.items()):
        if style is None:
            X, y = digits.small()
            mixed, sizes = rng.permutation(len(X)), SMALL_SIZES
            X, y = X[mixed], y[mixed]
        else:
            sizes = SIZES
            rows = order[number * sum(sizes) :][: sum(sizes)]
            X, y = style(digits.unit(pictures[rows]), rng), labels[rows]
        y = y % 2 if "parity" in name else y
        ends = np.cumsum(sizes)[:-1]
        found.append(Task(name, int(y.max()) + 1, *zip(np.split(digits.flat(X), ends), np.split(y, ends), strict=True)))
    return found


class World:
    """The tasks of a seed, the base, and the backbone fine-tuned on each task."""

    def __init__(self, seed: int) -> None:
        import torch

        from reuse import architectures

        self.seed, self.tasks = seed, tasks(seed)
        torch.manual_seed(seed)
        self.backbone = architectures.build("mlp", CONFIG)
        self.vectors = [torch.nn.Parameter(torch.randn(task.classes, CONFIG["outputs"])) for task in self.tasks]
        self._pretrain([*self.backbone.parameters(), *self.vectors])
        self.vectors = [vectors.detach() for vectors in self.vectors]
        self.base = self._weights()
        self.models = [self._tuned(number) for number in range(len(self.tasks))]

    def _pretrain(self, learning: list[Any]) -> None:
        import torch

        X, y = (torch.as_tensor(np.concatenate([task.train[i][:FIRST] for task in self.tasks])) for i in (0, 1))
        of = torch.arange(len(self.tasks)).repeat_interleave(FIRST)
        optimiser = torch.optim.AdamW(learning, lr=1e-3, weight_decay=0.01)
        pace = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=STEPS)
        generator = torch.Generator().manual_seed(self.seed)
        for _ in range(STEPS):
            rows = torch.randperm(len(X), generator=generator)[:32]
            Z, loss = self.backbone(X[rows]), torch.zeros(())
            for number, vectors in enumerate(self.vectors):
                mine = of[rows] == number
                loss = loss + torch.nn.functional.cross_entropy(_logits(Z[mine], vectors), y[rows][mine], reduction="sum")
            optimiser.zero_grad()
            (loss / len(rows)).backward()
            optimiser.step()
            pace.step()

    def _tuned(self, number: int) -> Weights:
        from reuse import finetune

        task = self.tasks[number]
        self._load(self.base)
        phase = finetune.Phase("all", 40 if len(task.train[0]) < 1_000 else 12, 3e-4, weight_decay=0.01)
        settings = finetune.Settings((phase,), 0.0, 8 * self.seed + number, balanced=False, cosine=True, clip=float("inf"))
        finetune.train(self.headed(number), *task.train, task.classes, settings)
        return self._weights()

    def headed(self, number: int) -> Any:
        """The backbone, under its own names, with a task's frozen vectors: rows to logits."""
        import torch

        backbone, vectors = self.backbone, self.vectors[number]

        class Headed(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.body, self.head = backbone.body, backbone.head
                self.register_buffer("vectors", vectors, persistent=False)

            def forward(self, X: Any) -> Any:
                return _logits(self.head(self.body(X)), self.vectors)

        return Headed()

    def _weights(self) -> Weights:
        return {name: value.numpy().copy() for name, value in self.backbone.state_dict().items()}

    def _load(self, weights: Weights) -> Any:
        import torch

        self.backbone.load_state_dict({name: torch.as_tensor(value) for name, value in weights.items()})
        return self.backbone.eval()

    def outputs(self, weights: Weights, part: str, only: int | None = None) -> list[np.ndarray]:
        """Probabilities (n, classes) for a part of each task, or of one alone."""
        import torch

        self._load(weights)
        with torch.inference_mode():
            chosen = range(len(self.tasks)) if only is None else [only]
            return [torch.softmax(_logits(self.backbone(torch.as_tensor(getattr(self.tasks[i], part)[0])), self.vectors[i]), dim=1).numpy() for i in chosen]

    def right(self, outputs: list[np.ndarray], part: str = "test") -> np.ndarray:
        """Accuracy on each task, (tasks,)."""
        return np.array([(P.argmax(axis=1) == getattr(task, part)[1]).mean() for P, task in zip(outputs, self.tasks, strict=True)])

    # -- what RegMean and Fisher are told ------------------------------------------------------

    def statistics(self, kind: str, of: str) -> list[Weights]:
        from reuse.weights import statistics

        tell = statistics.grams if kind == "merge/regmean" else statistics.fishers
        found = []
        for number, (task, weights) in enumerate(zip(self.tasks, self.models, strict=True)):
            self._load(weights)
            X, shares = self.specifications[number] if of == "points" else (task.train[0][: LOOKED_AT if of == "rows" else None], None)
            found.append(tell(self.headed(number), X, shares))
        return found

    @cached_property
    def specifications(self) -> list[Part]:
        """Points (K, 784) and shares (K,) of each task's rows, in one frame: sigma is the median distance of rows of all tasks."""
        import specs

        rng = np.random.default_rng(self.seed)
        some = np.concatenate([rng.choice(task.train[0], 100, replace=False) for task in self.tasks]).astype(np.float64)
        squares = (some**2).sum(axis=1)
        D = np.sqrt(np.maximum(squares[:, None] + squares - 2 * some @ some.T, 0))
        sigma = float(np.median(D[np.triu_indices(len(D), 1)]))
        found = [specs.reduce(task.train[0], sigma=sigma, points=POINTS, seed=self.seed) for task in self.tasks]
        return [(rkme.points.copy(), rkme.distribution) for rkme in found]


def _logits(Z: Any, vectors: Any) -> Any:
    """Logits of answers Z (n, 64) held against vectors (classes, 64)."""
    from torch.nn.functional import normalize

    return COSINE * normalize(Z, dim=1) @ normalize(vectors, dim=1).T


def measure(world: World, cases: Sequence[Case]) -> dict[str, Any]:
    """{"accuracy": {case: ((tasks,) at the default, (tasks,) tuned, the scale)}, "best": of all candidates, "chosen": {way: [(accuracy, candidate)]}}."""
    accuracy: dict[str, tuple] = {"base": (world.right(world.outputs(world.base, "test")),)}
    alone = [world.outputs(weights, "test") for weights in world.models]
    table = np.array([world.right(outputs) for outputs in alone])  # (models, tasks)
    accuracy["singles"] = (np.diag(table).copy(),)
    accuracy["one single on all tasks, mean"] = (table.mean(axis=0),)
    accuracy["output ensemble of the eight"] = (world.right([np.mean(part, axis=0) for part in zip(*alone, strict=True)]),)
    candidates: list[Candidate] = []
    for case in cases:
        accuracy[case.name] = _case(world, case, candidates)
    tested: dict[int, np.ndarray] = {}

    def score(at: int) -> float:
        if at not in tested:
            tested[at] = world.right(world.outputs(candidates[at].weights, "test"))
        return float(tested[at].mean())

    chosen: dict[str, list[tuple[float, str]]] = {}
    for n in LABELS:
        for way, allowed in (("defaults", [i for i, c in enumerate(candidates) if c.is_default]), ("defaults and sweeps", list(range(len(candidates))))):
            picks = [_pick(world, candidates, allowed, n, draw) for draw in range(DRAWS)]
            chosen[f"{n} labelled rows a task, {way}"] = [(score(pick), candidates[pick].case) for pick in picks]
    best = max(score(i) for i in range(len(candidates)))
    return {"accuracy": accuracy, "best": best, "chosen": chosen}


@dataclass(frozen=True)
class Candidate:
    """A merged model that might be chosen, with each validation row's loss in each task."""

    case: str
    is_default: bool
    weights: Weights
    losses: list[np.ndarray]


def _case(world: World, case: Case, candidates: list[Candidate]) -> tuple:
    from reuse import evidence, registry
    from reuse.weights import merged

    statistics = world.statistics(case.address, case.statistics) if case.statistics else None
    params = registry.find(case.address).read_params(case.params)
    default = merged(case.address, world.models, world.base, params, statistics)

    def candidate(weights: Weights, is_default: bool) -> float:
        outputs = world.outputs(weights, "validation")
        losses = [evidence.losses(P, task.validation[1]) for P, task in zip(outputs, world.tasks, strict=True)]
        candidates.append(Candidate(case.name, is_default, weights, losses))
        return float(world.right(outputs, "validation").mean())

    candidate(default, True)
    accuracy = world.right(world.outputs(default, "test"))
    if "scale" not in params:
        return (accuracy,)
    # All these are the base plus `scale` times what does not hang on it, so one merge serves every scale.
    sweep = set(import_module(registry.find(case.address).module).SWEEP["scale"])
    found = {}
    for scale in SCALES:
        weights = merged("merge/wise-ft", [default], world.base, {"alpha": scale / params["scale"]})
        found[scale] = (candidate(weights, False) if scale in sweep else float(world.right(world.outputs(weights, "validation"), "validation").mean()), weights)
    best = max(SCALES, key=lambda scale: found[scale][0])
    return accuracy, world.right(world.outputs(found[best][1], "test")), best


def _pick(world: World, candidates: list[Candidate], allowed: list[int], n: int, draw: int) -> int:
    """Which candidate has the least loss on n labelled rows of each task."""
    rng = np.random.default_rng([world.seed, n, draw])
    rows = [rng.permutation(len(task.validation[1]))[:n] for task in world.tasks]
    return min(allowed, key=lambda i: np.mean([losses[some].mean() for losses, some in zip(candidates[i].losses, rows, strict=True)]))


if __name__ == "__main__":
    main("eight_tasks", run, doc=__doc__, packages=("torch", "scikit-learn", "numpy"))
