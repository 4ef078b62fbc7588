"""Auto: every method that applies is compared on your labelled rows, and the table shows why one was chosen.

Repeated cross-validation over all methods, training from scratch and best single always among them. The answer is their blend (reuse/blend.py), each
counted by how many standard errors it lies behind the best; with `blend` off, of those that can not be told from the best the simplest, by the
one-standard-error rule (Breiman et al., "Classification and Regression Trees", 1984). What the whole procedure is worth is measured
by doing it again within each of an outer round of folds. Without labels: the hedged ensemble, and a plain word about what could not be verified.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from reuse import blend as blending
from reuse import combine, evidence, recipes, registry
from reuse.errors import Cancelled, ReuseError, must
from reuse.finetune.bang import overconfident
from reuse.recipes.blend import ADDRESS, Blend
from reuse.recipes.ensemble import Ensemble

Progress = Callable[[str, float, str], None]

# What is simpler stands first: among methods that can not be told apart, the first is taken. DARE (chance), SLERP (two models, an order) and Fisher
# (below RegMean in every measurement) are not tried unasked; low-rank changes and LP-FT are for larger models than a few rows can judge.
ORDER = (
    "ensemble/hedged", "ensemble/near", "ensemble/routed", "ensemble/mixture-weighted", "ensemble/mean", "ensemble/vote", "ensemble/selector", "ensemble/best-single", "ensemble/selected",
    "ensemble/pruned", "ensemble/adjusted", "merge/average", "merge/wise-ft", "merge/greedy-soup", "merge/task-arithmetic", "merge/breadcrumbs", "merge/ties",
    "merge/tsv", "merge/iso-c", "merge/regmean", "ensemble/stacked", "ensemble/augmented", "scratch", "finetune/head", "finetune/wise-ft", "finetune/bang", "finetune/full",
)
UNLABELLED = "ensemble/hedged"  # what is taken without labels; the best of the plain ones on natural domains, docs/benchmarks/reuse.md
YARDSTICKS = ("ensemble/best-single", "scratch")
MEASURED = "Mean loss in {repeats} x {k}-fold cross-validation (squared error; for classes half error, half Brier score). "
RULE_BLEND = "The blend of all methods: one that lies z standard errors of the paired difference behind the lowest counts exp(-(z / 1.25)^2 / 2) as much, then shares of least error on rows not learned from."
RULE_ONE = "Of the methods within {share:g} standard error of the paired difference to the lowest, the simplest."
PACE = {"finetune": 8.0, "scratch": 8.0}  # how much longer than others a kind of method takes to compare, for the time that is left
LEAST_BLENDED = 8  # rows; below, shares are luck
NESTED_SHARE = 0.5  # of the budget that the outer round may take


def choose(
    bench: recipes.Bench, progress: Progress, *, repeats: int = 2, tolerance: float = 1.0, blend: bool = True, nested: bool = True
) -> tuple[recipes.Fitted, str, dict[str, Any]]:
    """(what was chosen, fitted to all rows; its address; the evidence) for a bench with labels."""
    check(bench)
    must("repeats", "1 or more", repeats >= 1, repeats)
    must("tolerance", "0 or more", tolerance >= 0, tolerance)
    began = time.monotonic()
    known = {method.address for method in registry.every()}
    board = compare(bench, [address for address in ORDER if address in known], progress, repeats=repeats, deadline=began + bench.plan.budget_s * (1 - NESTED_SHARE * nested))
    shares = decide(bench, board, np.arange(len(bench.y)), tolerance, blend)
    chosen = next(iter(shares)) if len(shares) == 1 else ADDRESS
    progress("fitting", 0.8, f"Fitting {chosen} to all rows")
    fitted = fit(bench, shares, np.arange(len(bench.y)))
    fitted, tempering = calibrated(fitted, board.outputs[chosen], bench)
    rule = MEASURED.format(repeats=repeats, k=evidence.fold_count(len(bench.y))) + (RULE_BLEND if ADDRESS in board.rows else RULE_ONE).format(share=tolerance)
    found = summary(bench, board, chosen, rule) | {"calibration": tempering, "shares": shares if chosen == ADDRESS else None}
    if nested:
        found |= _outer(bench, board, progress, tolerance, blend, began + bench.plan.budget_s)
    return fitted, chosen, found


def decide(bench: recipes.Bench, board: "Board", rows: np.ndarray, tolerance: float, blend: bool) -> dict[str, float]:
    """{address: share}: one method alone, or several blended; the blend becomes a line of the board."""
    one = board.pick(tolerance)
    if not blend or len(rows) < LEAST_BLENDED or len(board.rows) < 2:
        return {one: 1.0}
    addresses, y, began = list(board.rows), bench.y[rows], time.perf_counter()
    outputs, losses = [board.outputs[address] for address in addresses], [board.losses[address] for address in addresses]
    found = {address: float(share) for address, share in zip(addresses, blending.shares(outputs, losses, y), strict=True) if share > 0}
    if len(found) > 1:
        together = blending.held_out(outputs, losses, y, bool(bench.plan.classes), seed=bench.plan.seed)
        board.outputs[ADDRESS], board.losses[ADDRESS] = together, evidence.losses(together, y)
        board.rows[ADDRESS] = evidence.row(ADDRESS, together, y, time.perf_counter() - began)
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def fit(bench: recipes.Bench, shares: dict[str, float], rows: np.ndarray) -> recipes.Fitted:
    """What was decided, fitted to the labelled `rows`."""
    parts = [(share, address, recipes.fit(bench, *_asked(bench, address), rows)) for address, share in shares.items()]
    if len(parts) == 1:
        return parts[0][2]
    facts: dict[str, Any] = {"params": {"shares": {address: round(share, 4) for address, share in shares.items()}}}
    for _, _, part in parts:
        facts |= {key: part.facts[key] for key in ("curve", "learning") if key in part.facts}
    return Blend(bench, parts, facts)


class Board:
    """What cross-validation found: a leaderboard row, each row's loss (n,), and the mean output, of every method that applied."""

    def __init__(self, repeats: int) -> None:
        self.repeats = repeats
        self.rows: dict[str, dict[str, Any]] = {}
        self.losses: dict[str, np.ndarray] = {}
        self.outputs: dict[str, np.ndarray] = {}
        self.left_out: dict[str, str] = {}

    def pick(self, tolerance: float) -> str:
        """The simplest of the methods within `tolerance` standard errors of the best."""
        best = min(self.rows, key=lambda address: self.rows[address]["loss"])
        return next(address for address in self.rows if _alike(self.losses[address], self.losses[best], tolerance))


def compare(bench: recipes.Bench, addresses: list[str], progress: Progress = lambda stage, done, words: None, *, repeats: int = 2, deadline: float | None = None,
            rows: np.ndarray | None = None, folds: int | None = None) -> Board:
    """Cross-validate methods on the same folds of `rows` (all of them by default). One that does not apply, or would overrun the deadline, is left out with the reason."""
    deadline = deadline if deadline is not None else time.monotonic() + bench.plan.budget_s
    rows = np.arange(len(bench.y)) if rows is None else rows
    board = Board(repeats)
    parts = [(rows[train], rows[test]) for train, test in evidence.folds(bench.y[rows], bool(bench.plan.classes), repeats=repeats, seed=bench.plan.seed, k=folds)]
    place = np.full(len(bench.y), -1)
    place[rows] = np.arange(len(rows))
    pace = np.cumsum([0.0, *(PACE.get(address.partition("/")[0], 1.0) for address in addresses)])
    for address, done in zip(addresses, pace / (pace[-1] or 1.0), strict=False):
        if bench.over():
            raise Cancelled
        progress("comparing", 0.1 + 0.6 * done, f"Cross-validating {address}")
        if time.monotonic() >= deadline and board.rows and address not in YARDSTICKS:
            board.left_out[address] = "the budget was spent"
            continue
        if address == "finetune/bang" and bench.plan.address != address and (why := _bang_is_idle(bench, board)):
            board.left_out[address] = why
            continue
        try:
            _validate(bench, board, address, parts, place, rows, deadline)
        except Cancelled:
            raise
        except ReuseError as error:  # it does not apply to these members: no family, no torch model, other classes
            board.left_out[address] = error.message
    if not board.rows:
        raise ReuseError("nothing-applies", "No method could be run on these members and rows.", "Give more labelled rows, or other members.")
    return board


def _validate(bench: recipes.Bench, board: Board, address: str, parts: list, place: np.ndarray, rows: np.ndarray, deadline: float) -> None:
    method, params = _asked(bench, address)
    began, y = time.perf_counter(), bench.y[rows]
    total = np.zeros((len(rows), len(bench.plan.classes))) if bench.plan.classes else np.zeros(len(rows))
    loss, counts = np.zeros(len(rows)), np.zeros(len(rows))
    learns = method.needs_labels or (method.kind == "merge" and _sweeps(method))
    fixed = None if learns else recipes.fit(bench, method, params, None)  # learns nothing: one fit serves all folds
    for train, test in parts:
        output = (fixed or recipes.fit(bench, method, params, train)).predict(test)
        at = place[test]
        total[at] += output
        loss[at] += evidence.losses(output, bench.y[test])
        counts[at] += 1
        # What trains a model is compared in one round of folds: a second would cost more than it tells.
        if counts.all() and (time.monotonic() > deadline or method.kind in ("finetune", "scratch")):
            break
    mean = total / (counts[:, None] if total.ndim == 2 else counts)
    board.outputs[address], board.losses[address] = mean, loss / counts
    board.rows[address] = evidence.row(address, mean, y, time.perf_counter() - began) | {"loss": float((loss / counts).mean())}


def _asked(bench: recipes.Bench, address: str) -> tuple[registry.Method, dict[str, Any]]:
    """A method with the parameters that the user gave it, or its defaults."""
    method = registry.find(address)
    return method, method.read_params(bench.plan.params if bench.plan.address == address else {})


def _sweeps(method: registry.Method) -> bool:
    from importlib import import_module

    return hasattr(import_module(method.module), "SWEEP")


def _bang_is_idle(bench: recipes.Bench, board: Board) -> str:
    """Why BANG is not tried, or nothing: it is for classifiers that grow surer of themselves than their base on rows without labels."""
    if "finetune/wise-ft" not in board.rows:
        return "nothing could be fine-tuned"
    if not bench.plan.classes:
        return "it is for classes"
    if "overconfident" not in bench.kept:
        from reuse.recipes.finetune import start_of

        every = np.arange(len(bench.y))
        tuned = recipes.fit(bench, *_asked(bench, "finetune/full"), every)
        start = start_of(bench, every)
        base = bench.free_crowd.outputs[next(i for i, member in enumerate(bench.plan.members) if member is start)]
        base = base[:, ~np.isnan(base).all(axis=0)]  # the classes that it knows
        bench.kept["overconfident"] = overconfident(base, tuned.answer(bench.free_X))
    surer = bench.kept["overconfident"]
    return "" if surer > 0 else f"its condition does not hold: the fine-tuned model is no surer of itself than its base (mean largest probability {surer:+.3f})"


def _alike(a: np.ndarray, best: np.ndarray, tolerance: float) -> bool:
    difference = a - best
    return difference.mean() <= tolerance * difference.std(ddof=1) / np.sqrt(len(difference)) if len(a) > 1 else True


def calibrated(fitted: recipes.Fitted, outputs: np.ndarray, bench: recipes.Bench) -> tuple[recipes.Fitted, dict[str, Any] | None]:
    """(the method with a temperature where that makes an ensemble's probabilities truer, how true they are) by its out-of-fold outputs (n, classes)."""
    if outputs.ndim == 1:
        return fitted, None
    found: dict[str, Any] = {"error": evidence.calibration_error(outputs, bench.y), "temperature": 1.0}
    temperature = evidence.temperature(outputs, bench.y)
    if temperature != 1.0 and (isinstance(fitted, Blend) or (isinstance(fitted, Ensemble) and len(fitted.used) > 1)):
        found |= {"temperature": temperature, "error_before": found["error"], "error": evidence.calibration_error(combine.tempered(outputs, temperature), bench.y)}
        fitted = replace(fitted, temperature=temperature)
        outputs = combine.tempered(outputs, temperature)
    return fitted, found | {"bins": evidence.reliability(outputs, bench.y)}


def check(bench: recipes.Bench) -> None:
    """Refuse rows that no method can learn from or be judged by."""
    if len(bench.y) < 4:
        raise ReuseError("too-few-rows", f"Comparing methods needs at least 4 labelled rows; got {len(bench.y)}.", "Give 20 to 100 rows, or none: then the hedged ensemble is taken.")


def _outer(bench: recipes.Bench, board: Board, progress: Progress, tolerance: float, blend: bool, deadline: float) -> dict[str, Any]:
    """What the procedure, choice and all, is worth: in each outer fold it is done on the other rows alone and scored on the fold."""
    y, addresses = bench.y, [address for address in board.rows if address != ADDRESS]
    parts = list(evidence.folds(y, bool(bench.plan.classes), repeats=1, seed=bench.plan.seed + 1, k=min(5, len(y))))
    scored, picks, outputs, longest = [], [], [], 0.0
    for i, (train, test) in enumerate(parts):
        if time.monotonic() + longest > deadline:
            break
        began = time.monotonic()
        progress("verifying", 0.8 + 0.1 * i / len(parts), f"Choosing again without fold {i + 1} of {len(parts)}")
        try:
            inner = compare(bench, addresses, repeats=1, rows=train, folds=min(3, len(train)), deadline=deadline)
            shares = decide(bench, inner, train, tolerance, blend)
            outputs.append(fit(bench, shares, train).predict(test))
            picks.append(next(iter(shares)) if len(shares) == 1 else ADDRESS)
        except Cancelled:
            raise
        except ReuseError:
            continue
        scored.append(test)
        longest = max(longest, time.monotonic() - began)
    if not scored:
        return {"nested": None}
    where, output = np.concatenate(scored), np.concatenate(outputs)
    score, low, high = evidence.score(output, y[where])
    names, counts = np.unique(picks, return_counts=True)
    return {
        "nested": {"score": score, "low": low, "high": high, "folds": len(scored), "rows": len(where), "picks": {str(n): int(c) for n, c in zip(names, counts, strict=True)}},
        "not_measured": "The chosen line is slightly flattered: it was chosen on the rows that it was scored on. The nested score is not.",
    }


def summary(bench: recipes.Bench, board: Board, chosen: str, rule: str) -> dict[str, Any]:
    """The evidence: leaderboard, best score first, with the rule and what it can not tell."""
    # By the number that people read. The loss, by which the choice goes, is a mean over single repeats: what an average of repeats does can stand elsewhere.
    sign = -1 if bench.plan.classes else 1
    rows = sorted((row | {"chosen": row["method"] == chosen} for row in board.rows.values()), key=lambda row: (sign * row["score"], row["loss"]))
    n, warnings = len(bench.y), []
    if n < 30:
        warnings.append(f"{n} labelled rows tell methods apart only roughly: mind the intervals.")
    if chosen == "scratch":
        warnings.append("Nothing in the market helped: the model trained on your rows alone did best.")
    if bench.plan.classes and len(np.unique(bench.y)) == 1:
        warnings.append(f"All labelled rows are of one class ({bench.plan.classes[int(bench.y[0])]}): how well the others are told is not known.")
    return {
        "metric": "accuracy" if bench.plan.classes else "rmse", "higher_is_better": bool(bench.plan.classes), "rows": n,
        "folds": evidence.fold_count(n), "repeats": board.repeats, "leaderboard": rows, "left_out": board.left_out, "rule": rule, "warnings": warnings,
        "disagreement": evidence.disagreement(bench.crowd.outputs), "pairwise": evidence.pairwise(bench.crowd.outputs, [m.reference for m in bench.plan.members]),
        "details": evidence.details(board.outputs[chosen], bench.y, bench.plan.classes),
        "not_measured": "The chosen method's score is slightly flattered: it was chosen on the rows that it was scored on.",
    }
