"""Auto: every method that applies is compared on your labelled rows, and the table shows why one was chosen.

Repeated cross-validation over all methods, training from scratch and best single among them. Without labels: the routed
ensemble, and a plain word about what could not be verified.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from reuse import evidence, recipes, registry
from reuse.errors import Cancelled, ReuseError

# What is simpler stands first: among methods that can not be told apart, the first is taken.
ORDER = (
    "ensemble/routed", "ensemble/mixture-weighted", "ensemble/mean", "ensemble/best-single", "ensemble/selected", "merge/average", "merge/wise-ft",
    "merge/breadcrumbs", "merge/task-arithmetic", "ensemble/stacked", "scratch", "finetune/head", "finetune/full",
)
RULE = (
    "The lowest mean loss in {repeats} x {k}-fold cross-validation (squared error; for classes half error, half Brier score); "
    "of methods within {share:g} standard error of the paired difference to it, the simplest."
)


def choose(bench: Any, progress: Callable[[str, float, str], None], *, repeats: int = 2, tolerance: float = 0.5) -> tuple[recipes.Fitted, str, dict[str, Any]]:
    """(what was chosen, fitted to all rows; its address; the evidence) for a bench with labels."""
    addresses = [address for address in ORDER if address in {method.address for method in registry.every()}]
    rows, found = compare(bench, addresses, progress, repeats=repeats)
    best = min(rows, key=lambda address: rows[address]["loss"])
    chosen = next(address for address in addresses if address in rows and _alike(found[address], found[best], tolerance))
    method = registry.find(chosen)
    fitted = recipes.fit(bench, method, method.read_params({}), np.arange(len(bench.y)))
    return fitted, chosen, summary(bench, rows, chosen, repeats, RULE.format(repeats=repeats, k=evidence.fold_count(len(bench.y)), share=tolerance))


def compare(
    bench: Any, addresses: list[str], progress: Callable[[str, float, str], None], *, repeats: int = 2
) -> tuple[dict[str, dict[str, Any]], dict[str, np.ndarray]]:
    """Cross-validate methods on the same folds: ({address: leaderboard row}, {address: loss of each row (n,)}).

    One that does not apply is left out; one that would overrun the budget is noted.
    """
    began, rows, found = time.monotonic(), {}, {}
    parts = list(evidence.folds(bench.y, bool(bench.plan.classes), repeats=repeats, seed=bench.plan.seed))
    for i, address in enumerate(addresses):
        if bench.over():
            raise Cancelled
        progress("comparing", 0.1 + 0.8 * i / len(addresses), f"Cross-validating {address}")
        left = bench.plan.budget_s - (time.monotonic() - began)
        if left <= 0:
            break
        try:
            rows[address], found[address] = _validate(bench, address, parts, left)
        except ReuseError as error:
            if isinstance(error, Cancelled):
                raise
            continue  # it does not apply to these members: no family, no torch model, other classes
    if not rows:
        raise ReuseError("nothing-applies", "No method could be run on these members and rows.", "Give more labelled rows, or other members.")
    return rows, found


def _validate(bench: Any, address: str, parts: list, left: float) -> tuple[dict[str, Any], np.ndarray]:
    method = registry.find(address)
    params, began, deadline = method.read_params({}), time.perf_counter(), time.monotonic() + left
    total = np.zeros((len(bench.y), len(bench.plan.classes))) if bench.plan.classes else np.zeros(len(bench.y))
    loss, counts = np.zeros(len(bench.y)), np.zeros(len(bench.y))
    fixed = None if method.needs_labels else recipes.fit(bench, method, params, None)  # learns nothing: one fit serves all folds
    for train, test in parts:
        fitted = fixed or recipes.fit(bench, method, params, train)
        output = fitted.predict(test)
        total[test] += output
        loss[test] += evidence.losses(output, bench.y[test])
        counts[test] += 1
        if time.monotonic() > deadline and counts.all():
            break
    mean = total / (counts[:, None] if total.ndim == 2 else counts)
    row = evidence.row(address, mean, bench.y, time.perf_counter() - began)
    return row | {"loss": float((loss / counts).mean())}, loss / counts


def _alike(a: np.ndarray, best: np.ndarray, tolerance: float) -> bool:
    difference = a - best
    return difference.mean() <= tolerance * difference.std(ddof=1) / np.sqrt(len(difference)) if len(a) > 1 else True


def summary(bench: Any, rows: dict[str, dict[str, Any]], chosen: str, repeats: int, rule: str) -> dict[str, Any]:
    """The evidence: leaderboard, best first, with the rule and what it can not tell."""
    board = sorted((row | {"chosen": row["method"] == chosen} for row in rows.values()), key=lambda row: row["loss"])
    n = len(bench.y)
    warnings = []
    if n < 30:
        warnings.append(f"{n} labelled rows tell methods apart only roughly: mind the intervals.")
    if chosen == "scratch":
        warnings.append("Nothing in the market helped: the model trained on your rows alone did best.")
    return {
        "metric": "accuracy" if bench.plan.classes else "rmse", "higher_is_better": bool(bench.plan.classes), "rows": n,
        "folds": evidence.fold_count(len(bench.y)), "repeats": repeats, "leaderboard": board, "rule": rule, "warnings": warnings,
        "disagreement": evidence.disagreement(bench.crowd.outputs),
        "not_measured": "The chosen method's score is slightly flattered: it was chosen on the rows that it was scored on.",
    }
