"""Cell nuclei of breast tumours."""

from typing import Any

import pandas as pd

from marketplace.demo import data, fitting
from marketplace.demo.offers import Family, Offer, Source


def rows() -> pd.DataFrame:
    return data.classic("breast_cancer", "diagnosis")


def _model() -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(60, min_samples_leaf=2, random_state=0)


FAMILY = Family(
    name="nuclei", space="Cell nuclei in fine-needle aspirates", target="diagnosis", task="classification",
    source=Source("breast_cancer (569 patients, Wisconsin)", "scikit-learn", "CC BY 4.0 (UCI)"),
    founding=lambda: data.cut(rows())[0],
    offers=(
        Offer("amara", "nuclei-diagnosis", "Malignant or benign, from cell nuclei", "A forest on thirty measurements of nuclei.",
              lambda: data.cut(rows()), fitting.pipeline(_model), takes="columns", licence="BSD-3-Clause",
              limits="A demonstration, not a medical device.", words=("medicine",)),
    ),
)
