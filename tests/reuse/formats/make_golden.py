"""Golden vectors of XGBoost and LightGBM: small models, rows, and what the real libraries answer for them.

    python -m venv /tmp/boosters && /tmp/boosters/bin/pip install xgboost-cpu==3.2.0 lightgbm==4.7.0 scikit-learn==1.9.1 pandas==3.1.1
    /tmp/boosters/bin/python tests/reuse/formats/make_golden.py

Writes golden/NAME.json, .ubj or .txt (the model as the library saves it) and golden/NAME.npz (`X` as float64, `P` as the library predicts
from the raw numbers, and `levels`, where a column holds words). Neither library is needed to run the tests.
"""

from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import xgboost
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris

FOLDER = Path(__file__).parent / "golden"
ROWS = 60


def holed(X: np.ndarray, seed: int = 0) -> np.ndarray:
    """A tenth of the cells missing, and some exactly zero."""
    rng, X = np.random.default_rng(seed), X.copy()
    X[rng.random(X.shape) < 0.1] = np.nan
    X[rng.random(X.shape) < 0.02] = 0.0
    return X


def keep(name: str, X: np.ndarray, P: np.ndarray) -> None:
    np.savez_compressed(FOLDER / f"{name}.npz", X=X, P=np.asarray(P, dtype=np.float64))


def xgb(name: str, X: np.ndarray, y: np.ndarray, suffix: str = ".json", rounds: int = 8, categories: list[int] = (), **params: object) -> None:
    types = ["c" if i in categories else "q" for i in range(X.shape[1])]
    data = xgboost.DMatrix(X, y, feature_types=types, enable_categorical=bool(categories))
    booster = xgboost.train({"max_depth": 3, "seed": 0, "nthread": 1, **params}, data, rounds)
    booster.save_model(FOLDER / f"xgboost-{name}{suffix}")
    rows = xgboost.DMatrix(X[:ROWS], feature_types=types, enable_categorical=bool(categories))
    keep(f"xgboost-{name}", X[:ROWS], booster.predict(rows))


def early(name: str, X: np.ndarray, y: np.ndarray) -> None:
    """The scikit-learn wrapper with early stopping: it predicts with the best round, which the file names."""
    model = xgboost.XGBClassifier(n_estimators=60, max_depth=3, learning_rate=0.5, early_stopping_rounds=3, random_state=0, n_jobs=1)
    model.fit(X[::2], y[::2], eval_set=[(X[1::2], y[1::2])], verbose=False)
    model.save_model(FOLDER / f"xgboost-{name}.json")
    keep(f"xgboost-{name}", X[:ROWS], model.predict_proba(X[:ROWS]))


def lgb(name: str, X: np.ndarray, y: np.ndarray, rounds: int = 8, categories: list[int] = (), **params: object) -> None:
    params = {"num_leaves": 9, "min_data_in_leaf": 5, "seed": 0, "num_threads": 1, "verbose": -1, "min_data_per_group": 10, "cat_smooth": 1.0, **params}
    booster = lightgbm.train(params, lightgbm.Dataset(X, y, categorical_feature=list(categories), free_raw_data=False), rounds)
    booster.save_model(FOLDER / f"lightgbm-{name}.txt")
    keep(f"lightgbm-{name}", X[:ROWS], booster.predict(X[:ROWS]))


def worded() -> pd.DataFrame:
    """Diabetes with two columns of words: what pandas calls categories."""
    X = load_diabetes(as_frame=True).data.iloc[:, :6].copy()
    rng = np.random.default_rng(0)
    X["colour"] = np.where(X["bmi"] > 0.02, "red", np.where(X["bp"] > 0, "green", "blue"))
    X["place"] = np.array(["Kiel", "Bonn", "Ulm", "Jena", "Halle", "Trier"])[rng.integers(0, 6, len(X))]
    X.loc[X.index[rng.random(len(X)) < 0.05], "colour"] = None
    return X


def words() -> None:
    frame, y = worded(), load_diabetes().target
    y = y + 40 * (frame["place"].isin(["Kiel", "Jena"])).to_numpy() - 30 * (frame["colour"] == "blue").to_numpy()
    frame[["colour", "place"]] = frame[["colour", "place"]].astype("category")
    model = lightgbm.train({"num_leaves": 9, "min_data_in_leaf": 5, "seed": 0, "num_threads": 1, "verbose": -1, "min_data_per_group": 10, "cat_smooth": 1.0},
                           lightgbm.Dataset(frame, y), 10)
    model.save_model(FOLDER / "lightgbm-words.txt")
    again = xgboost.train({"max_depth": 3, "seed": 0, "nthread": 1, "max_cat_to_onehot": 2}, xgboost.DMatrix(frame, y, enable_categorical=True), 10)
    again.save_model(FOLDER / "xgboost-words.json")
    rows = frame.iloc[:ROWS]
    saved = rows.astype({"colour": object, "place": object})
    saved.to_csv(FOLDER / "words.csv", index=False, float_format="%.17g")
    np.savez_compressed(FOLDER / "words.npz", lightgbm=model.predict(rows), xgboost=again.predict(xgboost.DMatrix(rows, enable_categorical=True)))


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    cancer, diabetes, iris = (load(return_X_y=True) for load in (load_breast_cancer, load_diabetes, load_iris))
    cancer = cancer[0][:, :10], cancer[1]
    counts = np.round(diabetes[1] / 20)
    coded = holed(diabetes[0][:, :6], 2)
    coded[:, 3] = np.random.default_rng(3).integers(0, 40, len(coded))
    coded[:, 4] = np.random.default_rng(4).integers(0, 3, len(coded))
    answer = diabetes[1] + 60 * np.isin(coded[:, 3], [1, 5, 7, 33, 39]) - 40 * (coded[:, 4] == 2)
    xgb("binary", holed(cancer[0]), cancer[1], objective="binary:logistic")
    xgb("binary-pruned", holed(cancer[0]), cancer[1], objective="binary:logistic", gamma=2.0, num_parallel_tree=2, subsample=0.7)
    xgb("binary-raw", cancer[0], cancer[1], objective="binary:logitraw", grow_policy="lossguide", max_leaves=9)
    xgb("multi", holed(iris[0]), iris[1], objective="multi:softprob", num_class=3)
    xgb("values", holed(diabetes[0]), diabetes[1], objective="reg:squarederror")
    xgb("values-ubj", diabetes[0], diabetes[1], suffix=".ubj", objective="reg:squarederror")
    xgb("multi-ubj", iris[0], iris[1], suffix=".ubj", objective="multi:softprob", num_class=3)
    xgb("counts", holed(diabetes[0]), counts, objective="count:poisson")
    xgb("gamma", diabetes[0], diabetes[1] + 1, objective="reg:gamma")
    xgb("dart", holed(cancer[0]), cancer[1], objective="binary:logistic", booster="dart", rate_drop=0.3)
    xgb("absolute", diabetes[0], diabetes[1], objective="reg:absoluteerror")
    xgb("categories", coded, answer, categories=[3, 4], objective="reg:squarederror", max_cat_to_onehot=5)
    early("early", holed(cancer[0]), cancer[1])
    lgb("binary", holed(cancer[0]), cancer[1], objective="binary")
    lgb("multi", holed(iris[0]), iris[1], objective="multiclass", num_class=3)
    lgb("ova", holed(iris[0]), iris[1], objective="multiclassova", num_class=3)
    lgb("values", holed(diabetes[0]), diabetes[1], objective="regression")
    lgb("values-sqrt", diabetes[0], diabetes[1], objective="regression", reg_sqrt=True)
    lgb("zero-missing", holed(diabetes[0]), diabetes[1], objective="regression", zero_as_missing=True)
    lgb("no-missing", diabetes[0], diabetes[1], objective="regression_l1", use_missing=False)
    lgb("counts", holed(diabetes[0]), counts, objective="poisson")
    lgb("forest", holed(cancer[0]), cancer[1], objective="binary", boosting="rf", bagging_freq=1, bagging_fraction=0.6)
    lgb("dart", holed(cancer[0]), cancer[1], objective="binary", boosting="dart")
    lgb("categories", coded, answer, categories=[3, 4], objective="regression")
    lgb("stump", np.ones((50, 2)), np.arange(50.0), objective="regression")
    words()


if __name__ == "__main__":
    main()
