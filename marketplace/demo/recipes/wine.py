"""Wines of three growers, told apart by chemistry."""

from typing import Any

import pandas as pd

from marketplace.demo import data, fitting
from marketplace.demo.offers import Family, Offer, Source


def rows() -> pd.DataFrame:
    return data.classic("wine", "grower")


def _model() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=500)


FAMILY = Family(
    name="wine", space="Chemistry of wines", target="grower", task="classification",
    source=Source("wine (178 wines of one region)", "scikit-learn", "CC BY 4.0 (UCI)"),
    founding=lambda: data.cut(rows())[0],
    offers=(
        Offer("freya", "wine-grower", "Grower of a wine", "Logistic regression on thirteen measurements; an ONNX file.",
              lambda: data.cut(rows()), fitting.onnx(_model), takes="coordinates", licence="BSD-3-Clause",
              limits="Three growers of one region in Italy.", words=("chemistry",)),
    ),
)
