"""Progression of diabetes."""

from typing import Any

import pandas as pd

from marketplace.demo import data, fitting
from marketplace.demo.offers import Family, Offer, Source


def rows() -> pd.DataFrame:
    return data.classic("diabetes", "progression")


def _model() -> Any:
    from sklearn.linear_model import RidgeCV

    return RidgeCV(alphas=(0.01, 0.1, 1.0, 10.0))


FAMILY = Family(
    name="diabetes", space="Patients with diabetes, standardised", target="progression", task="regression",
    source=Source("diabetes (442 patients; Efron et al., 2004)", "scikit-learn", "CC BY 4.0 (UCI)"),
    founding=lambda: data.cut(rows())[0],
    offers=(
        Offer("dilara", "diabetes-progression", "Progression of diabetes after one year", "Ridge regression on ten standardised measurements.",
              lambda: data.cut(rows()), fitting.pipeline(_model), takes="columns", licence="BSD-3-Clause",
              limits="A demonstration, not a medical device.", words=("medicine",)),
    ),
)
