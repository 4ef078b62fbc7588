"""Iris flowers: the smallest of the classics."""

from typing import Any

import pandas as pd

from marketplace.demo import data, fitting
from marketplace.demo.offers import Family, Offer, Source


def rows() -> pd.DataFrame:
    return data.classic("iris", "species")


def _model() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=500)


FAMILY = Family(
    name="iris", space="Iris flowers", target="species", task="classification",
    source=Source("iris (150 flowers; Fisher, 1936)", "scikit-learn", "CC BY 4.0 (UCI)"),
    founding=lambda: data.cut(rows())[0],
    offers=(
        Offer("bruno", "iris-species", "Species of iris flowers", "Logistic regression on four lengths.",
              lambda: data.cut(rows()), fitting.pipeline(_model), takes="columns", licence="BSD-3-Clause",
              limits="Three species of one genus.", words=("botany",)),
    ),
)
