"""Real tables with natural domains (batch, region, coast, carrier, colour, site), read from a folder, and a sensible model for each domain.

The folder holds `tabular/` and `text/`; its files are not part of the project, and the benchmark says which it wants.
"""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SUMS = ("California", "GreatLakes", "Midsouth", "Northeast", "Plains", "SouthCentral", "Southeast", "TotalUS", "West")  # of other regions
AT_LEAST = 1_000  # flights of a carrier that is a domain
TEXT_COORDINATES = 60
KINDS = ("boosting", "forest", "linear", "mlp")  # in turn, by the order of the domains' names


@dataclass(frozen=True)
class Domain:
    """A table without its target, and the target: text for classes, float for values."""

    frame: Any
    y: np.ndarray

    def rows(self, chosen: np.ndarray) -> "Domain":
        """Some of the rows."""
        return Domain(self.frame.iloc[chosen], self.y[chosen])


@dataclass(frozen=True)
class Natural:
    """A set of domains. `view(requester)` gives them all as tables; only for texts do they depend on who asks."""

    name: str
    target: str
    unit: str
    is_classes: bool
    requesters: tuple[str, ...]
    view: Callable[[str], dict[str, Domain]]


def gas(folder: Path) -> Natural:
    """Gas class from 16 drifting sensors, by batch of months; not every batch holds every gas."""
    import pandas as pd

    paths = sorted((folder / "tabular").glob("gas_drift_batch*.csv.gz"))
    frames = {path.name.removeprefix("gas_drift_").split(".")[0]: pd.read_csv(path) for path in paths}
    domains = {name: Domain(frame.drop(columns=["gas", "concentration_ppmv"]), frame.gas.to_numpy().astype(str)) for name, frame in frames.items()}
    return Natural("gas", "gas", "", True, tuple(domains), lambda requester: domains)


def avocado(folder: Path) -> Natural:
    """Price from volumes, kind and date, by region: 45 regions in the market, every fourth of them asks. Volumes as logarithms."""
    import pandas as pd

    whole = pd.read_csv(folder / "tabular" / "avocado.csv.gz")
    whole = whole[~whole.region.isin(SUMS)].reset_index(drop=True)
    date = pd.to_datetime(whole.Date)
    frame = pd.DataFrame({"type": whole.type, "year": whole.year.astype(float), "week": date.dt.dayofyear / 7.0})
    for column in ("Total Volume", "S_hass_avocados", "L_hass_avocados", "XL_hass_avocados", "Small Bags", "Large Bags", "XLarge Bags"):
        frame[f"log {column}"] = np.log1p(whole[column])
    domains = _split(frame, whole.AveragePrice.to_numpy(float), whole.region)
    return Natural("avocado", "price", "USD", False, tuple(domains)[::4], lambda requester: domains)


def california(folder: Path) -> Natural:
    """Logarithm of a block's house value, by how near the ocean lies."""
    import pandas as pd

    whole = pd.read_csv(folder / "tabular" / "california_housing.csv.gz")
    whole = whole[whole.ocean_proximity != "ISLAND"].reset_index(drop=True)
    domains = _split(whole.drop(columns=["median_house_value", "ocean_proximity"]), np.log(whole.median_house_value.to_numpy(float)), whole.ocean_proximity)
    return Natural("california", "log_value", "log USD", False, tuple(domains), lambda requester: domains)


def flights(folder: Path) -> Natural:
    """Minutes late at arrival from what is known without any delay, by carrier."""
    import pandas as pd

    whole = pd.read_csv(folder / "tabular" / "nycflights13_45k.csv.gz")
    whole = whole[whole.carrier.map(whole.carrier.value_counts()) >= AT_LEAST].reset_index(drop=True)
    # The times of departure and arrival, less those of the timetable, are the answer.
    frame = whole[["month", "day", "sched_dep_time", "sched_arr_time", "air_time", "distance", "origin"]].copy()
    for column in ("sched_dep_time", "sched_arr_time"):
        frame[column] = whole[column] // 100 + whole[column] % 100 / 60
    frame["speed"] = whole.distance / whole.air_time
    domains = _split(frame, whole.arr_delay.to_numpy(float), whole.carrier)
    return Natural("flights", "arr_delay", "minutes", False, tuple(domains), lambda requester: domains)


def wine(folder: Path) -> Natural:
    """Quality of wines from 11 measurements, by colour: whoever asks finds one model."""
    import pandas as pd

    tables = {}
    for colour in ("red", "white"):
        path = folder / "tabular" / f"wine_quality_{colour}.csv"
        tables[colour] = pd.read_csv(path, sep=";" if ";" in path.read_text()[:200] else ",")
    domains = {name: Domain(table.drop(columns="quality"), table.quality.to_numpy(float)) for name, table in tables.items()}
    return Natural("wine", "quality", "points", False, tuple(domains), lambda requester: domains)


def sentences(folder: Path) -> Natural:
    """Sentiment of sentences by site. Coordinates: TF-IDF, then SVD, both fitted on the other sites' text."""
    import pandas as pd
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    sites = {}
    for site in ("amazon_cells", "imdb", "yelp"):
        sites[site] = pd.read_csv(folder / "text" / f"sentences_{site}.tsv", sep="\t", header=None, quoting=csv.QUOTE_NONE, names=["text", "y"])

    def view(requester: str) -> dict[str, Domain]:
        others = pd.concat([table.text for site, table in sites.items() if site != requester])
        coordinates = make_pipeline(TfidfVectorizer(sublinear_tf=True, min_df=2, ngram_range=(1, 2)), TruncatedSVD(TEXT_COORDINATES, random_state=0)).fit(others)
        names = [f"t{i}" for i in range(TEXT_COORDINATES)]
        return {site: Domain(pd.DataFrame(coordinates.transform(table.text), columns=names), table.y.map({0: "negative", 1: "positive"}).to_numpy().astype(str))
                for site, table in sites.items()}

    return Natural("sentences", "sentiment", "", True, tuple(sites), view)


SETS: dict[str, Callable[[Path], Natural]] = {"gas": gas, "avocado": avocado, "california": california, "flights": flights, "wine": wine, "sentences": sentences}


def model(kind: str, is_classes: bool) -> Any:
    """An untrained estimator of one of KINDS on coordinates, of a class that the skops format lets through."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier, RandomForestRegressor
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    mlp = {"hidden_layer_sizes": (32,), "alpha": 0.1, "max_iter": 200, "random_state": 0}
    if is_classes:
        made = {
            "boosting": lambda: HistGradientBoostingClassifier(max_iter=60, learning_rate=0.1, random_state=0),
            "forest": lambda: RandomForestClassifier(150, min_samples_leaf=2, random_state=0),
            "linear": lambda: make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500)),
            "mlp": lambda: make_pipeline(StandardScaler(), MLPClassifier(**mlp)),
        }
    else:
        made = {
            "boosting": lambda: HistGradientBoostingRegressor(max_iter=100, learning_rate=0.1, random_state=0),
            "forest": lambda: RandomForestRegressor(150, min_samples_leaf=2, random_state=0),
            "linear": lambda: make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13))),
            "mlp": lambda: make_pipeline(StandardScaler(), TransformedTargetRegressor(MLPRegressor(early_stopping=True, **mlp), transformer=StandardScaler())),
        }
    return made[kind]()


def _split(frame: Any, y: np.ndarray, by: Any) -> dict[str, Domain]:
    return {str(name): Domain(frame[mask], y[mask]) for name in sorted(by.unique()) for mask in [(by == name).to_numpy()]}
