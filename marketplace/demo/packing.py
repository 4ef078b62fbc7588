"""From an offer's description to the three files that a developer uploads: trained here, measured on rows held out."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import specs
from marketplace.demo import fitting
from marketplace.demo.offers import Family, Offer
from moorage import offering

VERSION = "1.0.0"


@dataclass(frozen=True)
class Trained:
    """A model with what it was trained on and how it did on rows held out."""

    offer: Offer
    family: Family
    space: specs.Space
    model: Any
    rows: Any  # inputs of the training rows, a DataFrame
    classes: list[str] | None
    evaluation: dict[str, Any]


def train(family: Family) -> Iterator[Trained]:
    """Each offer of a family, trained; a base comes before what was fine-tuned from it."""
    target = family.target
    space = specs.Space.from_table(family.founding(), name=family.space, target=target, units=family.units)
    made: dict[str, Any] = {}
    for offer in family.offers:
        seen, held = offer.rows()
        y = seen[target].to_numpy()
        y = y.astype(str) if family.is_classification else y.astype(float)
        model = offer.fit(seen, y, space, made.get(offer.base))
        made[offer.reference] = model
        classes = sorted(set(y.tolist())) if family.is_classification else None
        found = fitting.predict(model, held, space, classes)
        yield Trained(offer, family, space, model, seen.drop(columns=target), classes, _evaluated(family, len(seen), held[target].to_numpy(), found))


def pack(trained: Trained, folder: Path) -> Path:
    """Write learnware.json, specification.json and the model file into `folder`."""
    offer, family = trained.offer, trained.family
    return offering.prepare(
        None, folder, trained.model, trained.rows, None, name=offer.name, licence=offer.licence, version=VERSION, title=offer.title, card=card(trained),
        target=family.target, unit=family.unit, task=family.task, classes=trained.classes, takes=offer.takes, space=trained.space,
        base=f"{offer.base}@{VERSION}" if offer.base else None, evaluation=trained.evaluation, scenario=offer.words,
    )


def card(trained: Trained) -> str:
    """What the developer writes of it, in Markdown."""
    offer, source, figures = trained.offer, trained.family.source, trained.evaluation
    made = f"\n\nFine-tuned from `{offer.base}`, so it can be merged with its siblings." if offer.base else ""
    measured = f"{figures['metric']} {figures['value']:.4g}{' ' + figures['unit'] if figures['unit'] else ''}, on {figures['rows']:,} rows of the same kind that it never saw"
    return f"""{offer.about}{made}

## Trained on

{figures['trained_on']:,} rows of {source.name}, which the package {source.package} ships. Licence of the data: {source.licence}. {source.about}

## Measured

{measured}. Only a match with *your* data says how it does on yours.

## Limits

{offer.limits or 'None are known.'}
"""


def _evaluated(family: Family, trained_on: int, y: np.ndarray, found: np.ndarray) -> dict[str, Any]:
    if family.is_classification:
        return {"metric": "accuracy", "value": float((found == y.astype(str)).mean()), "unit": None, "rows": len(y), "trained_on": trained_on}
    error = float(np.sqrt(((found - y.astype(float)) ** 2).mean()))
    return {"metric": "rmse", "value": error, "unit": family.unit, "rows": len(y), "trained_on": trained_on}
