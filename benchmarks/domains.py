"""Natural domains, one left out: what the other domains' models are worth to it, without labels and with few, beside a peer and training from scratch.

Six sets of real tables (`benchmarks/domains_data.py`). Each domain has a model (boosting, forest, linear or a small network, in turn) trained on 70 % of its
rows and a specification of them. Each domain in turn is the requester: its own model is away, half of its rows are at hand and unlabelled, the rest
are for scoring. The product's match (nearest singles and the mixture) chooses members, the product's methods combine them; the labelled rows are
drawn anew for every seed. Errors: RMSE, or the share of wrong classes, mean over requesters. A cell (set, requester, number of labels) is *held* when ours is
best or within one standard error, paired over the draws, of the best of the peer's reusers, scratch and best single; *told apart* when the best of them is ahead by
more than one standard error over the scored rows too (without labels there are no draws: the rows alone decide).

`peer` is the `learnware` package's own reusers in an environment of their own, with the same members' answers and labelled rows (benchmarks/peer_reuse.py).
"""

import argparse
import contextlib
import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
import warnings  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from dataclasses import dataclass, replace  # noqa: E402
from functools import cached_property  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from benchmarks import domains_data, peers  # noqa: E402
from benchmarks.domains_data import KINDS, SETS, Domain, Natural  # noqa: E402
from benchmarks.report import Row, main, table  # noqa: E402

LABELS = (0, 10, 50, 100, 500)
QUICK = ("wine", "sentences")
QUICK_LABELS = (0, 50)
TRAIN_SHARE, TRAIN_MOST = 0.7, 1_500
AT_HAND_MOST, UNUSED_MOST = 1_500, 800
MAX_MEMBERS, TOP, NEAREST = 8, 10, 8  # as marketplace/matching/services.py and marketplace/jobs/members.py have them
BLIND = "ensemble/hedged"  # what auto takes without labels


def choose(bench: Any) -> tuple[Any, str]:
    """What auto makes of a bench with labels: (fitted, address)."""
    from reuse import auto

    return auto.choose(bench, lambda *_: None, nested=False)[:2]  # the outer round tells what a choice is worth and changes none


@dataclass(frozen=True)
class Offer:
    """A domain's model with its specification, and the rows that it was trained on as coordinates."""

    name: str
    model: Any
    manifest: Any
    rkme: Any
    trained_on: np.ndarray

    def answer(self, X: np.ndarray) -> np.ndarray:
        """Probabilities (n, its classes) or values (n,)."""
        return self.model.predict_proba(X) if self.manifest.is_classifier else self.model.predict(X)


class Market:
    """The models of all domains but the requester's, in the space that the first of them founded."""

    def __init__(self, natural: Natural, domains: dict[str, Domain], requester: str) -> None:
        import specs

        first = next(name for name in domains if name != requester)
        self.natural, self.domains = natural, domains
        self.space = specs.Space.from_table(self._train(first).frame, name=natural.name)

    def offer(self, number: int, name: str) -> Offer:
        """Train and describe a domain's model."""
        import specs
        from reuse.manifest import Manifest

        train = self._train(name)
        X = self.space.encode(train.frame)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = domains_data.model(KINDS[number % len(KINDS)], self.natural.is_classes).fit(X, train.y)
        output = {"kind": "classes", "name": self.natural.target, "classes": [str(c) for c in model.classes_]} if self.natural.is_classes else {
            "kind": "value", "name": self.natural.target, "unit": self.natural.unit}
        manifest = Manifest(
            name=f"{self.natural.name}-{number}", version="1.0.0", task="classification" if self.natural.is_classes else "regression",
            input={"space": self.space.id, "takes": "coordinates"}, output=output,
            model={"format": "skops", "file": "model.skops", "sha256": "0" * 64, "size": 1, "architecture": None}, licence="CC0-1.0",
        )
        return Offer(name, model, manifest, specs.describe(train.frame, self.space), X)

    def _train(self, name: str) -> Domain:
        domain = self.domains[name]
        order = np.random.default_rng(0).permutation(len(domain.y))
        return domain.rows(order[: min(TRAIN_MOST, int(TRAIN_SHARE * len(domain.y)))])


def cases(natural: Natural) -> Iterator["Case"]:
    """One case a requester; models are trained again only where the space differs."""
    held: dict[tuple[str, str], Offer] = {}
    for requester in natural.requesters:
        domains = natural.view(requester)
        market = Market(natural, domains, requester)
        for number, name in enumerate(domains):
            if name != requester and (market.space.id, name) not in held:
                held[market.space.id, name] = market.offer(number, name)
        yield Case(natural, requester, domains[requester], market.space, [held[market.space.id, name] for name in domains if name != requester])


class Case:
    """A requester with the members that its match gives and their answers, computed once for many draws of labelled rows."""

    def __init__(self, natural: Natural, requester: str, domain: Domain, space: Any, offers: list[Offer]) -> None:
        from specs.columns import raw_columns

        self.natural, self.requester, self.space = natural, requester, space
        order = np.random.default_rng(1).permutation(len(domain.y))
        half = len(order) // 2
        at_hand, unused = domain.rows(order[:half][:AT_HAND_MOST]), domain.rows(order[half:][:UNUSED_MOST])
        self.folder = Path(tempfile.mkdtemp(prefix="moorage-benchmark-"))
        self.members, self.plan = self._match(offers, at_hand)
        self.plan = replace(self.plan, rows=raw_columns(at_hand.frame))
        self.at_hand, self.unused = self._bench(at_hand), self._bench(unused)
        self.at_hand.__dict__["free_crowd"] = self.at_hand.crowd

    def _match(self, offers: list[Offer], at_hand: Domain) -> tuple[list[Offer], Any]:
        """(the offers chosen, the plan): the mixture's members, heaviest first, and the nearest singles at weight 0."""
        import specs
        from reuse.plan import Member, Plan

        requirement, rkmes = specs.describe(at_hand.frame, self.space), [offer.rkme for offer in offers]
        near = np.argsort([specs.squared_mmd(requirement, rkme) for rkme in rkmes], kind="stable")[:TOP]
        mixed = specs.mixture(requirement, rkmes, max_members=MAX_MEMBERS)
        weights = dict(sorted(zip(mixed.members, mixed.weights, strict=True), key=lambda pair: -pair[1]))
        weights |= {int(i): 0.0 for i in [i for i in near if i not in weights][:NEAREST]}
        chosen = [offers[i] for i in weights]
        output = dict(chosen[0].manifest.output)
        if self.natural.is_classes:
            output["classes"] = list(dict.fromkeys(name for offer in chosen for name in offer.manifest.classes))
        members = [Member(f"market/{offer.manifest.name}@1.0.0", self.folder / "model.skops", offer.manifest, offer.rkme, float(w))
                   for offer, w in zip(chosen, weights.values(), strict=True)]
        return chosen, Plan(members=members, kind="auto", method="auto", params={}, space=self.space, output=output, requirement=requirement)

    def _bench(self, domain: Domain) -> Any:
        """A bench of the product with the members' answers put in, so that neither files nor the sandbox are needed."""
        from reuse import recipes
        from reuse.crowd import Crowd, distances
        from reuse.engine import Labelled
        from specs.columns import raw_columns

        if self.plan.classes:  # the product refuses labels that no member knows: such rows are left out
            domain = domain.rows(np.flatnonzero(np.isin(domain.y, self.plan.classes)))
        bench = recipes.Bench(replace(self.plan, data=Labelled(raw_columns(domain.frame), domain.y)), self.folder)
        bench.__dict__["crowd"] = Crowd(
            outputs=[recipes.aligned(offer.answer(bench.X), offer.manifest, self.plan.classes) for offer in self.members], X=bench.X,
            rkmes=[m.rkme for m in self.plan.members], weights=np.array([m.weight for m in self.plan.members]),
            distances=distances(self.plan.requirement, [m.rkme for m in self.plan.members]), classes=self.plan.classes,
            requirement=self.plan.requirement,
        )
        return bench

    def draw(self, n: int, seed: int) -> np.ndarray:
        """Row numbers of the labelled rows."""
        return np.random.default_rng([seed, n]).permutation(len(self.at_hand.y))[:n]

    def labelled(self, n: int, seed: int) -> Any:
        """A bench of the drawn rows alone."""
        from reuse import recipes
        from reuse.engine import Labelled

        rows, data = self.draw(n, seed), self.at_hand.plan.data
        data = Labelled({name: values[rows] for name, values in data.columns.items()}, data.target[rows])
        bench = recipes.Bench(replace(self.plan, data=data, seed=seed), self.folder)
        bench.__dict__ |= {"crowd": self.at_hand.crowd.rows(rows), "free_crowd": self.at_hand.crowd}  # the members' answers do not depend on the draw
        return bench

    def losses(self, output: np.ndarray) -> np.ndarray:
        """Wrong or not, or the squared error, of each unused row; `output` may be class numbers too."""
        if output.ndim == 2:
            output = output.argmax(axis=1)
        return (output != self.unused.y).astype(float) if self.plan.classes else (output - self.unused.y) ** 2

    def answer_of(self, fitted: Any) -> np.ndarray:
        """What something that was fitted on a bench says of the unused rows."""
        from reuse import recipes

        return recipes.before(fitted, self.unused).predict(np.arange(len(self.unused.y)))

    @cached_property
    def blind(self) -> dict[str, np.ndarray]:
        """What each method that needs no labels answers on the unused rows."""
        from reuse import recipes, registry
        from reuse.errors import ReuseError

        found = {}
        for method in registry.every():
            if method.kind == "ensemble" and not method.needs_labels:
                with contextlib.suppress(ReuseError):  # it is for other tasks
                    found[method.address] = self.answer_of(recipes.fit(self.at_hand, method, method.read_params({}), None))
        return found


@dataclass
class Cell:
    """One requester at one number of labels. `ours`, `rivals` (scratch, best single, the peer's) and `alone` (our methods one by one) hold each way's losses of
    the unused rows, one line a draw: (seeds, rows)."""

    case: Case
    n: int
    ours: np.ndarray
    rivals: dict[str, np.ndarray]
    alone: dict[str, np.ndarray]
    chosen: list[str]
    seconds: float = 0.0

    def errors(self, losses: np.ndarray) -> np.ndarray:
        """The share of wrong classes, or the RMSE, of each draw."""
        mean = losses.mean(axis=1)
        return mean if self.case.plan.classes else np.sqrt(mean)

    def error(self, losses: np.ndarray) -> float:
        """Its mean over the draws."""
        return float(self.errors(losses).mean())

    @property
    def best(self) -> str:
        """The rival with the lowest error."""
        return min(self.rivals, key=lambda name: self.error(self.rivals[name]))

    @property
    def is_held(self) -> bool:
        """Whether ours is best or within one standard error over the draws of the best rival."""
        if not self.n:
            return not self.is_told_apart
        return _within(self.errors(self.ours) - self.errors(self.rivals[self.best]))

    def would_be_held_by(self, way: str) -> bool:
        """The same of a rival in our place: best, or within one standard error of the best of the others and ours."""
        others = {name: losses for name, losses in self.rivals.items() if name != way} | {"ours": self.ours}
        best = min(others, key=lambda name: self.error(others[name]))
        if not self.n:
            return _within(self.rivals[way].mean(axis=0) - others[best].mean(axis=0))
        return _within(self.errors(self.rivals[way]) - self.errors(others[best]))

    @property
    def is_told_apart(self) -> bool:
        """Whether the best rival is ahead by more than one standard error over the unused rows."""
        return not _within(self.ours.mean(axis=0) - self.rivals[self.best].mean(axis=0))


def _within(difference: np.ndarray) -> bool:
    if difference.mean() <= 0:
        return True
    return len(difference) > 1 and bool(difference.mean() <= difference.std(ddof=1) / np.sqrt(len(difference)))


def measure(case: Case, n: int, seeds: int) -> Cell:
    """Ours, scratch and best single for one requester and number of labels."""
    from reuse import recipes, registry
    from reuse.errors import ReuseError

    fixed = {name: case.losses(output)[None] for name, output in case.blind.items()}
    if n == 0:
        return Cell(case, 0, fixed[BLIND], {"best single": fixed["ensemble/best-single"]}, fixed, [BLIND])
    learners = [m for m in registry.every() if m.needs_labels and m.kind in ("ensemble", "scratch")]
    ours, chosen, seconds = [], [], 0.0
    alone: dict[str, list[np.ndarray]] = {method.address: [] for method in learners}
    for seed in range(seeds):
        bench = case.labelled(n, seed)
        began = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted, address = choose(bench)
            seconds += time.process_time() - began
            ours.append(case.losses(case.answer_of(fitted)))
            chosen.append(address)
            for method in learners:
                with contextlib.suppress(ReuseError):  # it is for other tasks
                    alone[method.address].append(case.losses(case.answer_of(recipes.fit(bench, method, method.read_params({}), np.arange(n)))))
    found = {name: np.array(losses) for name, losses in alone.items() if len(losses) == seeds} | {name: np.repeat(one, seeds, axis=0) for name, one in fixed.items()}
    return Cell(case, n, np.array(ours), {"scratch": found["scratch"], "best single": found["ensemble/best-single"]}, found, chosen, seconds / seeds)


def ask_peer(natural: Natural, found: list[Case], cells: list[Cell], seeds: int) -> None:
    """Put the errors of the peer's reusers into the cells; one process for all requesters of a set."""
    arrays: dict[str, np.ndarray] = {}
    request: list[dict[str, Any]] = []
    for i, case in enumerate(found):
        arrays |= {f"{i}.at_hand": case.at_hand.X, f"{i}.unused": case.unused.X, f"{i}.y": case.at_hand.y}
        trains = []
        for j, offer in enumerate(case.members):
            trains.append(f"train.{case.space.id[:12]}.{offer.name}")
            arrays[trains[-1]] = offer.trained_on
            for part, bench in (("at_hand", case.at_hand), ("unused", case.unused)):
                arrays[f"{i}.{j}.{part}"] = np.nan_to_num(bench.crowd.outputs[j])
        labels = [cell.n for cell in cells if cell.case is case and cell.n]
        arrays |= {f"{i}.{n}.rows": np.array([case.draw(n, seed) for seed in range(seeds)]) for n in labels}
        request.append({"train": trains, "mixture": sum(m.weight > 0 for m in case.plan.members), "labels": labels})
    folder = Path(tempfile.mkdtemp(prefix="moorage-benchmark-"))
    told, answers = peers.ask("learnware", "peer_reuse.py", {"cases": request, "is_classes": natural.is_classes}, arrays, folder)
    for cell in cells:
        i = found.index(cell.case)
        for key, answer in answers.items():
            number, _, name = key.partition(".")
            n, _, way = name.partition(" ")
            if int(number) != i or int(n) != cell.n:
                continue
            cell.rivals[f"peer {way}"] = np.array([cell.case.losses(one) for one in np.atleast_2d(answer)])
    failed: dict[str, int] = {}
    for one in told.values():
        failed = {name: failed.get(name, 0) + times for name, times in {**dict.fromkeys(failed, 0), **one["failed"]}.items()}
    say(f"{natural.name}: the peer took {sum(one['cpu_s'] for one in told.values()):.0f} CPU s" + (f"; could not be fitted: {failed}" if failed else ""))


def run(arguments: argparse.Namespace) -> list[Row]:
    names = arguments.sets.split(",") if arguments.sets else list(QUICK if arguments.quick else SETS)
    labels = [int(part) for part in arguments.labels.split(",")] if arguments.labels else list(QUICK_LABELS if arguments.quick else LABELS)
    seeds = arguments.seeds or (2 if arguments.quick else 10)
    cells: list[Cell] = []
    for name in names:
        began, cpu = time.perf_counter(), time.process_time()
        natural = SETS[name](Path(arguments.data))
        found = list(cases(natural))
        mine = []
        for case in found:
            mine += [measure(case, n, seeds) for n in labels if n <= len(case.at_hand.y)]
            say(f"{name}, {case.requester}: {sum(m.weight > 0 for m in case.plan.members)} members and {sum(m.weight == 0 for m in case.plan.members)} more; "
                + "; ".join(f"{c.n}: {c.error(c.ours):.4g}" for c in mine if c.case is case))
        if not arguments.no_peer:
            ask_peer(natural, found, mine, seeds)
        cells += mine
        say(f"{name}: {time.perf_counter() - began:.0f} s, {time.process_time() - cpu:.0f} CPU s")
        say(table(rows_of(mine)))
        say(methods_table(mine))
    rows = rows_of(cells)
    return rows


def rows_of(cells: list[Cell]) -> list[Row]:
    """A row for each set and number of labels, then labels saved, then the whole."""
    rows = []
    for name in dict.fromkeys(cell.case.natural.name for cell in cells):
        mine = [cell for cell in cells if cell.case.natural.name == name]
        natural = mine[0].case.natural
        for n in sorted({cell.n for cell in mine}):
            here = [cell for cell in mine if cell.n == n]
            mean = {way: float(np.mean([cell.error(cell.rivals[way]) for cell in here])) for way in here[0].rivals if all(way in cell.rivals for cell in here)}
            peer = min((way for way in mean if way.startswith("peer ")), key=mean.get, default=None)
            note = f"held {sum(cell.is_held for cell in here)} of {len(here)}; " + ", ".join(f"{way} {value:.4g}" for way, value in mean.items())
            if n:
                note += "; chosen: " + _counts([address for cell in here for address in cell.chosen])
            rows.append(Row(f"{name}, {n} labels", "error rate" if natural.is_classes else "RMSE", natural.unit, float(np.mean([cell.error(cell.ours) for cell in here])),
                            peer=mean[peer] if peer else None, limit=None if peer else mean.get("scratch", mean["best single"]), note=note))
        rows += _saved(name, mine)
    for what, part in (("with labels", [c for c in cells if c.n]), ("without labels", [c for c in cells if not c.n])):
        if not part:
            continue
        lost = [c for c in part if not c.is_held]
        said = ", ".join(f"{c.case.natural.name}/{c.case.requester}/{c.n} to {c.best} by {c.error(c.ours) / c.error(c.rivals[c.best]) - 1:.1%}{'' if c.is_told_apart else ' (not told apart)'}" for c in lost)
        rows.append(Row(f"all cells {what}", "share held", "", 1 - len(lost) / len(part), limit=1.0, note=f"{len(part)} cells, {sum(c.is_told_apart for c in lost)} lost and told apart: {said or 'none'}"))
        rows += _against(what, part) + _in_our_place(what, part)
    return rows


def _against(what: str, cells: list[Cell]) -> list[Row]:
    """The geometric mean over cells of our error over that of each rival, and over the best of the peer's in each cell."""
    ratios: dict[str, list[float]] = {}
    for cell in cells:
        errors = {way: cell.error(losses) for way, losses in cell.rivals.items()}
        of_peer = [error for way, error in errors.items() if way.startswith("peer ")]
        if of_peer:
            errors["the peer's best"] = min(of_peer)
        for way, error in errors.items():
            if error > 0 and cell.error(cell.ours) > 0:
                ratios.setdefault(way, []).append(cell.error(cell.ours) / error)
    return [Row(f"all cells {what}, against {way}", "geometric mean of the errors' ratios", "", float(np.exp(np.mean(np.log(found)))), peer=1.0, note=f"{len(found)} cells")
            for way, found in sorted(ratios.items())]


def _in_our_place(what: str, cells: list[Cell]) -> list[Row]:
    """The share of cells that each rival would hold by the rule that ours is held to."""
    ours = float(np.mean([cell.is_held for cell in cells]))
    found = {way: [cell.would_be_held_by(way) for cell in cells if way in cell.rivals] for way in dict.fromkeys(way for cell in cells for way in cell.rivals)}
    return [Row(f"all cells {what}, held by {way} by the same rule", "share held", "", ours, peer=float(np.mean(held)), note=f"{sum(held)} of {len(held)} cells") for way, held in found.items()]


def _saved(name: str, cells: list[Cell]) -> list[Row]:
    """How many labels scratch needs to do what ours does with n: on scratch's own curve, the median over requesters."""
    rows = []
    for n in (10, 50, 100):
        needed = []
        for cell in (c for c in cells if c.n == n):
            curve = sorted((c.n, c.error(c.rivals["scratch"])) for c in cells if c.case is cell.case and c.n)
            needed.append(labels_needed(curve, cell.error(cell.ours)))
        if needed:
            most, middle = max(c.n for c in cells), float(np.median(needed))
            said = f"more than {most}" if np.isinf(middle) else f"{middle:.0f}"
            rows.append(Row(f"{name}, labels that scratch needs for ours with {n}", "labels, median", "", min(middle, most), limit=float(n),
                            note=f"{said}; by requester: " + ", ".join("more" if np.isinf(v) else f"{v:.0f}" for v in needed)))
    return rows


def labels_needed(curve: list[tuple[int, float]], error: float) -> float:
    """Where a falling curve of (labels, error) first reaches an error, between its points along log n; inf where it never does."""
    if error >= curve[0][1]:
        return float(curve[0][0])
    for (n0, e0), (n1, e1) in zip(curve, curve[1:], strict=False):
        if e1 <= error:
            return float(np.exp(np.log(n0) + (np.log(n1) - np.log(n0)) * (e0 - error) / (e0 - e1)))
    return float("inf")


def methods_table(cells: list[Cell]) -> str:
    """Every method of ours alone, and the rivals, mean over requesters, one column for each number of labels."""
    labels = sorted({cell.n for cell in cells})
    ways = list(dict.fromkeys(name for cell in cells for name in [*cell.alone, *cell.rivals]))
    lines = ["| " + " | ".join([cells[0].case.natural.name, *map(str, labels)]) + " |", "| --- |" + " ---: |" * len(labels)]
    for way in ["auto", *ways]:
        shown = []
        for n in labels:
            here = [cell for cell in cells if cell.n == n]
            found = [cell.ours if way == "auto" else cell.alone.get(way, cell.rivals.get(way)) for cell in here]
            shown.append(f"{np.mean([cell.error(losses) for cell, losses in zip(here, found, strict=True)]):.4g}" if all(losses is not None for losses in found) else "")
        lines.append("| " + " | ".join([way, *shown]) + " |")
    seconds = [np.mean([cell.seconds for cell in cells if cell.n == n]) for n in labels]
    lines.append("| CPU s of auto | " + " | ".join(f"{s:.1f}" for s in seconds) + " |")
    return "\n".join(lines)


def _counts(names: list[str]) -> str:
    unique, counts = np.unique([name.split("/")[-1] for name in names], return_counts=True)
    return ", ".join(f"{name} {count}" for name, count in sorted(zip(unique, counts, strict=True), key=lambda pair: -pair[1]))


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def more(parser: Any) -> None:
    parser.add_argument("--data", required=True, metavar="FOLDER", help="where tabular/ and text/ lie")
    parser.add_argument("--sets", default="", help=f"names with commas (all: {','.join(SETS)})")
    parser.add_argument("--labels", default="", help="numbers of labelled rows, with commas (0,10,50,100,500)")
    parser.add_argument("--no-peer", action="store_true", help="ours, scratch and best single alone")


if __name__ == "__main__":
    main("domains", run, doc=__doc__, packages=("scikit-learn", "numpy", "pandas"), more=more)
