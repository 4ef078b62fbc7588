"""What the learnware pages show beyond the row: the specification's plots and what it gives away, evaluations, checks, and snippets to copy."""

import logging
import math
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.template.exceptions import TemplateDoesNotExist
from django.template.loader import select_template
from django.urls import reverse
from django.utils.translation import get_language, gettext, gettext_lazy

import specs
import storage
from marketplace import plots
from marketplace.catalog import cards, picturing
from marketplace.catalog.models import Learnware, Version
from reuse.manifest import STATISTICS
from specs.privacy import ENOUGH_ROWS

log = logging.getLogger(__name__)
TABS = [
    ("card", gettext_lazy("Card")), ("specification", gettext_lazy("Specification")), ("evaluation", gettext_lazy("Evaluation")), ("files", gettext_lazy("Files")),
    ("versions", gettext_lazy("Versions")), ("lineage", gettext_lazy("Lineage")), ("try", gettext_lazy("Try it")), ("discussion", gettext_lazy("Discussion")),
]
WIDE = 30  # columns; more of them are folded away
FEW_ROWS = 5  # a point that stands for fewer may nearly be a row
FORMATS = {  # what a format means for whoever downloads it
    "safetensors": gettext_lazy("numbers only, no code"),
    "skops": gettext_lazy("scikit-learn, only classes from our list"),
    "onnx": gettext_lazy("a graph of operators from our list"),
    "xgboost": gettext_lazy("boosted trees as JSON, numbers only"),
    "lightgbm": gettext_lazy("boosted trees as text, numbers only"),
    "predictor": gettext_lazy("an ensemble made by a reuse job"),
}


def renew_card(row: Version | Learnware) -> None:
    """Make the HTML of a card again, and keep it, where an older sanitiser made it."""
    words = row.card if isinstance(row, Learnware) else row.manifest.get("card", "")
    if row.card_html and row.card_made != cards.MADE:
        row.card_html, row.card_made = cards.render(words), cards.MADE
        type(row).objects.filter(pk=row.pk).update(card_html=row.card_html, card_made=row.card_made)


@lru_cache(maxsize=64)
def specification(sha256: str) -> specs.Specification:
    """The specification with this digest. Bytes never change, so neither does the answer."""
    with storage.connect(settings.STORAGE_URL).open(sha256) as file:
        return specs.Specification.from_bytes(file.read())


def drawn(sha256: str) -> dict[str, Any]:
    """Plot and per-column ranges of a specification; empty where its bytes can not be read."""
    return _drawn(sha256, get_language())


@lru_cache(maxsize=256)
def _drawn(sha256: str, language: str) -> dict[str, Any]:  # the words beside the pictures are those of a language
    try:
        spec = specification(sha256)
    except (storage.ArtifactMissing, specs.SpecError) as error:
        log.warning("The specification %s can not be shown: %s", sha256[:12], error)
        return {}
    rows, shares = plots.ranges(spec.space, spec.rkme), spec.rkme.distribution
    return {
        "plot": plots.cloud(spec.space, [(spec.rkme, "one")], gettext("The specification’s weighted points")),
        "columns": rows[:WIDE],
        "more_columns": rows[WIDE:],
        "points": len(spec.rkme.weights),
        "rows": spec.rkme.n,
        "d": spec.space.d,
        "weights": picturing.weights(shares),
        "half": int((shares[(-shares).argsort()].cumsum() < 0.5).sum()) + 1,
        "privacy": privacy(spec),
    }


def privacy(spec: specs.Specification) -> list[dict[str, Any]]:
    """What a specification gives away of the rows behind it, as far as it says: [{term, words, warn}]."""
    rkme, made = spec.rkme, spec.rkme.generator
    share, least = rkme.n / rkme.size, float(rkme.distribution.min() * rkme.n)
    if share < ENOUGH_ROWS:
        near = gettext("%(n)s on average. From %(enough)s on it is hard to tell whether a known row was among them.")
    else:
        near = gettext("%(n)s on average. Enough that it is hard to tell whether a known row was among them.")
    light = (
        gettext("stands for %(n)s rows. A point of so few rows may lie close to one of them.") if least < FEW_ROWS
        else gettext("stands for %(n)s rows. None stands for a single row.")
    )
    return [
        {"term": gettext("Rows a point stands for"), "words": near % {"n": f"{share:,.0f}", "enough": ENOUGH_ROWS}, "warn": share < ENOUGH_ROWS},
        {"term": gettext("The lightest point"), "words": light % {"n": f"{least:.1f}"}, "warn": least < FEW_ROWS},
        {"term": gettext("Nearness to rows"), "words": gettext("Not stated: the market never sees the rows. `moorage describe` tells it to whoever makes a specification."), "warn": False},
        _differential(made),
        _labelled(rkme.labels),
        {"term": gettext("Made by"), "words": _maker(made), "warn": False},
        *([{"term": gettext("Exactness"), "words": gettext("MMD %(mmd)s to the rows it stands for, as it says itself.") % {"mmd": f"{math.sqrt(rkme.fit):.4f}"}, "warn": False}] if rkme.fit is not None else []),
    ]


def _differential(made: dict[str, Any]) -> dict[str, Any]:
    epsilon, delta = made.get("epsilon"), made.get("delta")
    if made.get("name") == "moorage-dp" and isinstance(epsilon, int | float) and isinstance(delta, int | float):
        said = gettext("(ε = %(epsilon)s, δ = %(delta)s), as its generator states: exchanging one row changes the odds of whatever it shows by no more.")
        return {"term": gettext("Differential privacy"), "words": said % {"epsilon": f"{epsilon:g}", "delta": f"{delta:g}"}, "warn": False}
    return {"term": gettext("Differential privacy"), "words": gettext("No. Share it as you would share a summary table."), "warn": False}


def _labelled(labels: Any) -> dict[str, Any]:
    if labels is None:
        return {"term": gettext("Labels"), "words": gettext("None: it says how the inputs are spread, and nothing of the answers."), "warn": False}
    if labels.kind == "classes":
        said = gettext("At each point, how often each class is found, from %(n)s labelled rows. That tells more of the rows than the inputs do.")
    else:
        said = gettext("At each point, the mean and spread of the target, from %(n)s labelled rows. That tells more of the rows than the inputs do.")
    return {"term": gettext("Labels"), "words": said % {"n": f"{labels.n:,}"}, "warn": False}


def _maker(made: dict[str, Any]) -> str:
    name = " ".join(str(made[key]) for key in ("name", "version") if key in made) or gettext("not stated")
    more = ", ".join(f"{key} {made[key]}" for key in ("mode", "points", "seed") if key in made)
    return f"{name} ({more})" if more else name


def checked(version: Version) -> list[str]:
    """What the market's own check did with a version that passed it, in the order in which it was done."""
    if version.checked is None or version.status not in (Version.Status.USABLE, Version.Status.WITHDRAWN):
        return []
    points = version.report.get("points")
    inside = {
        "safetensors": gettext("the header read by our own reader, and the tensors held against the architecture that the manifest names"),
        "skops": gettext("every class in it held against the list of those that may be loaded, trees and arrays checked"),
        "onnx": gettext("every operator held against the list of those that may run, no data outside the file"),
        "xgboost": gettext("read by our own parser, every tree checked and answered from our own tables; XGBoost itself never sees the file"),
        "lightgbm": gettext("read by our own parser, every tree checked and answered from our own tables; LightGBM itself never sees the file"),
        "predictor": gettext("each of its members checked by its own format"),
    }
    return [
        gettext("the format told by the file’s structure, not by its name"),
        *([inside[version.format]] if version.format in inside else []),
        gettext("run in the sandbox on the %(n)s points of its own specification") % {"n": f"{points:,}"} if points else gettext("run in the sandbox on the points of its own specification"),
        gettext("answers finite, of the shape that the manifest declares, probabilities that sum to 1") if version.task == "classification"
        else gettext("answers finite, of the shape that the manifest declares"),
        gettext("one row alone answered as among others"),
        *([gettext("the published statistics held against the tensors")] if version.report.get("statistics") else []),
    ]


def evaluation(version: Version) -> dict[str, Any]:
    """What is known of its quality: `rows` [{metric, value, low, high, unit, on, how, by}], who measured in `by`; `facts`, what else the owner says.

    `by` is "market" only for what a reuse job here measured, read from the job itself: a manifest can claim anything.
    """
    said = version.manifest.get("evaluation") or {}
    measured = [row for job in _made_by(version) for row in _of_job(job)]
    stated = _stated(said)
    known = {(row["metric"], row["value"]) for row in measured}
    used = {"metric", "value", "score", "low", "high", "unit", "rows", "method", "nested"} if stated else set()
    facts = {name.replace("_", " "): value for name, value in said.items() if name not in used and isinstance(value, str | int | float)}
    return {"rows": measured + [row for row in stated if (row["metric"], row["value"]) not in known], "facts": facts}


def _made_by(version: Version) -> list[Any]:
    return [job for job in version.made_by.all() if job.status == "done"]


def _of_job(job: Any) -> list[dict[str, Any]]:
    found = job.evidence or {}
    chosen = next((row for row in found.get("leaderboard") or [] if row.get("chosen")), None)
    rows = [] if chosen is None else [_row(found, chosen, how=gettext("%(method)s, cross-validated on rows of the task") % {"method": chosen.get("method", "reuse")}, by="market")]
    if found.get("nested"):
        rows.append(_row(found, found["nested"], how=gettext("the whole choice, by nested cross-validation"), by="market"))
    return rows


def _stated(said: dict[str, Any]) -> list[dict[str, Any]]:
    if not isinstance(said.get("metric"), str):
        return []
    how = said["method"][:80] if isinstance(said.get("method"), str) else gettext("as its manifest says")
    rows = [_row(said, said, how=how, by="owner")]
    if isinstance(said.get("nested"), dict):
        rows.append(_row(said, said["nested"], how=gettext("nested cross-validation"), by="owner"))
    return [row for row in rows if row["value"] is not None]


def _row(of: dict[str, Any], found: dict[str, Any], *, how: str, by: str) -> dict[str, Any]:
    number = lambda key: found[key] if isinstance(found.get(key), int | float) and not isinstance(found.get(key), bool) and math.isfinite(found[key]) else None  # noqa: E731
    value = number("value") if number("value") is not None else number("score")
    unit = of.get("unit") if isinstance(of.get("unit"), str) else ""
    return {"metric": str(of.get("metric") or "score")[:60], "value": value, "low": number("low"), "high": number("high"), "unit": unit, "on": of.get("rows"), "how": how, "by": by}


def try_template() -> Any:
    """The part of the page on which a model is tried; None where the market has none."""
    try:
        return select_template(["jobs/_try.html"])
    except TemplateDoesNotExist:
        return None


def snippets(request: HttpRequest, version: Version) -> list[dict[str, str]]:
    url = request.build_absolute_uri("/").rstrip("/")
    reference, folder = version.reference, version.learnware.name
    return [
        {
            "id": "cli",
            "label": gettext("Command line"),
            "code": f"moorage download {reference} -o {folder}/ --url {url}\nmoorage predict {folder}/ new.csv -o out.csv",
        },
        {
            "id": "python",
            "label": "Python",
            "code": f'import moorage\n\nmarket = moorage.Market("{url}")\n'
            f'folder = market.download("{reference}", "{folder}/")\n'
            "prediction = moorage.predict(folder, frame)",
        },
        {
            "id": "curl",
            "label": "curl",
            "code": f"curl -OJ {url}/api/v1/learnwares/{version.learnware.owner.username}/{version.learnware.name}/"
            f"{version.number}/files/{version.manifest['model']['file']}",
        },
    ]


def files(version: Version) -> list[dict[str, Any]]:
    """The files of a version, with size, digest and address. `version` comes with its artifacts."""
    rows = [
        (version.manifest["model"]["file"], version.model.size, version.model_id),
        ("specification.json", version.specification.size, version.specification_id),
        *([(STATISTICS, version.statistics.size, version.statistics_id)] if version.statistics_id else []),
        ("learnware.json", None, ""),
    ]
    whose = (version.learnware.owner.username, version.learnware.name, version.number)
    return [
        {"name": name, "size": size, "sha256": sha256, "url": reverse("api:version-file", args=[*whose, name])} for name, size, sha256 in rows
    ]
