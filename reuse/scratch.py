"""From scratch: the best plain model that the labelled rows alone can train.

Logistic or ridge regression, with its penalty by cross-validation, or a random forest: whichever does better in cross-validation. It is the
yardstick: reuse must earn its place against it.
"""

import warnings
from typing import Any

import numpy as np

NEEDS_LABELS = True
FOREST_FROM = 30  # rows; below, a forest has nothing to vote on


def fit(X: np.ndarray, y: np.ndarray, *, trees: int = 100, seed: int = 0) -> Any:
    """A fitted scikit-learn estimator on coordinates X (n, d) and y (n,) class names or values."""
    from sklearn.dummy import DummyClassifier
    from sklearn.model_selection import cross_val_score

    if is_classes(y) and len(np.unique(y)) == 1:
        return DummyClassifier(strategy="prior").fit(X, y)
    made = [make(seed) for make in (_forests(y, trees) if len(y) >= FOREST_FROM else [])]
    linear = _linear(y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if made:
            folds = _folds(y)
            scores = [cross_val_score(model, X, y, cv=folds, scoring=_scoring(y)).mean() for model in (linear, *made)]
            return (linear, *made)[int(np.argmax(scores))].fit(X, y)
        return linear.fit(X, y)


def is_classes(y: np.ndarray) -> bool:
    """Whether labels are names rather than numbers."""
    return y.dtype.kind in "OU"


def _linear(y: np.ndarray) -> Any:
    from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, RidgeCV

    if not is_classes(y):
        return RidgeCV(alphas=np.logspace(-2, 4, 13))
    smallest = np.unique(y, return_counts=True)[1].min()
    if smallest < 3:
        return LogisticRegression(C=0.1, max_iter=500)
    return LogisticRegressionCV(Cs=np.logspace(-3, 2, 6), cv=3, max_iter=500, scoring="neg_log_loss", l1_ratios=(0,), use_legacy_attributes=False)


def _forests(y: np.ndarray, trees: int) -> list[Any]:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    if is_classes(y):
        return [lambda seed: RandomForestClassifier(trees, min_samples_leaf=2, random_state=seed)]
    return [lambda seed: RandomForestRegressor(trees, min_samples_leaf=2, random_state=seed)]


def _folds(y: np.ndarray) -> Any:
    from sklearn.model_selection import KFold, StratifiedKFold

    if is_classes(y) and np.unique(y, return_counts=True)[1].min() >= 3:
        return StratifiedKFold(3, shuffle=True, random_state=0)
    return KFold(3, shuffle=True, random_state=0)


def _scoring(y: np.ndarray) -> str:
    return "accuracy" if is_classes(y) else "neg_mean_squared_error"
