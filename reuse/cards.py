"""What a result is and how good, as a page of Markdown: the model card that goes with a predictor.

After Mitchell et al., "Model Cards for Model Reporting", 2019, as far as a market can know: what it is made of, how it was judged, where it fails, what
was not measured.
"""

from typing import Any


def card(evidence: dict[str, Any], lineage: dict[str, Any], target: str = "") -> str:
    """The card of a job's result, from its evidence and lineage (reuse/engine.py, reuse/lineage.py)."""
    parts = [
        [f"Made by reuse: `{lineage.get('method', '?')}`{_params(lineage.get('params') or {})}" + (f" for **{target}**" if target else "") + "."],
        _members(lineage), _score(evidence), _shares(evidence), _board(evidence), _curve(evidence), _distilled(evidence), _details(evidence), _doubts(evidence),
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def _params(params: dict[str, Any]) -> str:
    plain = {key: value for key, value in params.items() if not isinstance(value, dict)}
    return " with " + ", ".join(f"{key} = {value}" for key, value in plain.items()) if plain else ""


def _members(lineage: dict[str, Any]) -> list[str]:
    rows = [f"| {m['reference']} | {m['licence']} | {m['weight']:.3g} | `{m['sha256'][:12]}` |" for m in lineage.get("members", [])]
    if not rows:
        return ["## Made of", "", "The requester's labelled rows alone."]
    return ["## Made of", "", "| learnware | licence | weight | SHA-256 |", "| --- | --- | ---: | --- |", *rows, "",
            f"Licence of the result: {lineage.get('licence') or 'none satisfies all parts'}. Seed {lineage.get('seed', 0)}."]


def _score(evidence: dict[str, Any]) -> list[str]:
    chosen = next((row for row in evidence.get("leaderboard", []) if row.get("chosen")), None)
    lines = ["## How good", ""]
    if chosen is None:
        return [*lines, "Not measured: no labelled rows came."]
    lines.append(f"{evidence['metric']} {_interval(chosen)} in {evidence.get('repeats', 1)} x {evidence['folds']}-fold cross-validation on {evidence['rows']} labelled rows.")
    if nested := evidence.get("nested"):
        lines.append(f"The choice of the method included (nested cross-validation): {_interval(nested)}.")
    if (tempering := evidence.get("calibration")) is not None:
        lines.append(f"Calibration error {tempering['error']:.3f}" + (f" after a temperature of {tempering['temperature']:.2f}; {tempering['error_before']:.3f} before." if "error_before" in tempering else "."))
    return lines


def _shares(evidence: dict[str, Any]) -> list[str]:
    shares = evidence.get("shares")
    if not shares:
        return []
    return ["## Blended of", "", "| method | share |", "| --- | ---: |", *(f"| {address} | {share:.0%} |" for address, share in shares.items())]


def _board(evidence: dict[str, Any]) -> list[str]:
    board = evidence.get("leaderboard", [])
    if not board:
        return []
    rows = [f"| {'**' + row['method'] + '**' if row.get('chosen') else row['method']} | {row['score']:.4g} | {row['low']:.4g} to {row['high']:.4g} |" for row in board]
    return ["## What it was compared with", "", f"| method | {evidence['metric']} | 95 % |", "| --- | ---: | --- |", *rows, "", evidence.get("rule", "")]


def _curve(evidence: dict[str, Any]) -> list[str]:
    curve = evidence.get("curve")
    if not curve:
        return []
    rows = [f"| {point['value']:g} | {point['score']:.4g} | {point['low']:.4g} to {point['high']:.4g} |" for point in curve["points"]]
    return [f"## {curve['parameter']}, on {curve['rows']} labelled rows", "", f"| {curve['parameter']} | {evidence['metric']} | 95 % |", "| ---: | ---: | --- |", *rows, "", f"Chosen: {curve['chosen']:g}."]


def _distilled(evidence: dict[str, Any]) -> list[str]:
    found = evidence.get("distilled")
    if not found:
        return []
    lines = ["## Distilled", "", f"A network of {found['parameters']:,} numbers, taught by {found['teacher']} on {found['rows']:,} rows; on {found['held']} held-out ones it agrees to {found['agreement']:.3f}."]
    if "score" in found:
        lines.append(f"On the labelled rows it scores {found['score']:.4g}, its teacher {found['teacher_score']:.4g}.")
    return lines


def _details(evidence: dict[str, Any]) -> list[str]:
    details = evidence.get("details") or {}
    if rows := details.get("classes"):
        shown = [f"| {row['class']} | {row['rows']} | {_share(row['found'])} | {_share(row['right'])} |" for row in rows]
        return ["## By class", "", "| class | rows | found | right when said |", "| --- | ---: | ---: | ---: |", *shown]
    if residuals := details.get("residuals"):
        return ["## Errors", "", f"Mean {residuals['mean']:.4g}, mean absolute {residuals['mean_absolute']:.4g}; 90 % lie between {residuals['quantiles']['5']:.4g} and {residuals['quantiles']['95']:.4g}."]
    return []


def _doubts(evidence: dict[str, Any]) -> list[str]:
    doubts = [*evidence.get("warnings", []), *([evidence["not_measured"]] if evidence.get("not_measured") else [])]
    if evidence.get("disagreement") is not None:
        kind = "Two members differ on {:.0%} of the rows." if evidence.get("higher_is_better") else "For one row, the members' answers spread {:.2g} times as far as their mean does from row to row."
        doubts.append(kind.format(evidence["disagreement"]))
    return ["## What to doubt", "", *(f"- {words}" for words in doubts)] if doubts else []


def _interval(row: dict[str, Any]) -> str:
    return f"{row['score']:.4g} (95 %: {row['low']:.4g} to {row['high']:.4g})"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"
