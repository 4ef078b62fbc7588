"""What the demo's people offer and ask: plain descriptions; rows are loaded when they are asked for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Source:
    """Where rows come from: `package` ships them, `licence` as its authors state it."""

    name: str
    package: str
    licence: str
    about: str = ""


@dataclass(frozen=True)
class Offer:
    """A model that somebody offers. `rows()` gives (train, held out), with the target; `fit` makes the model of them.

    `base` names an earlier offer of the family ("owner/name") that a torch model was fine-tuned from.
    """

    owner: str
    name: str
    title: str
    about: str
    rows: Callable[[], tuple[pd.DataFrame, pd.DataFrame]]
    fit: Callable[..., Any]
    takes: str = "columns"
    licence: str = "Apache-2.0"
    base: str | None = None
    limits: str = ""
    words: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        return f"{self.owner}/{self.name}"


@dataclass(frozen=True)
class Task:
    """What somebody needs. `rows()` gives (rows at hand, rows nobody used), with the target.

    All rows at hand are described without their labels; `labels` of them are labelled. `hope` says beforehand what a
    good market should answer: "mixture", "anything", or "nothing" where no offer fits.
    """

    name: str
    title: str
    about: str
    rows: Callable[[], tuple[pd.DataFrame, pd.DataFrame]]
    hope: str
    labels: int = 50


@dataclass(frozen=True)
class Family:
    """A space with its offers and tasks. `founding()` is the table on which the space is founded."""

    name: str
    space: str
    target: str
    task: str
    source: Source
    founding: Callable[[], pd.DataFrame]
    offers: tuple[Offer, ...]
    tasks: tuple[Task, ...] = ()
    unit: str | None = None
    units: dict[str, str] = field(default_factory=dict)

    @property
    def is_classification(self) -> bool:
        return self.task == "classification"
