"""From scratch: the best plain model that the labelled rows alone can train.

Logistic or ridge regression, with its penalty by cross-validation, or a random forest: whichever does better on rows that it was not fitted to. It is the
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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        linear = _linear(y).fit(X, y)
        if len(y) >= FOREST_FROM:
            forest = _forest(y, trees, seed).fit(X, y)
            score = cross_val_score(_same(linear), X, y, cv=_folds(y), scoring="accuracy" if is_classes(y) else "r2").mean()
            if forest.oob_score_ > score:
                return forest
        return linear


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


def _same(linear: Any) -> Any:
    """The model with the penalty that it has chosen, which costs a fraction of choosing it again in each fold."""
    from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, Ridge, RidgeCV

    if isinstance(linear, RidgeCV):
        return Ridge(alpha=linear.alpha_)
    return LogisticRegression(C=float(np.ravel(linear.C_)[0]), max_iter=500) if isinstance(linear, LogisticRegressionCV) else linear


def _forest(y: np.ndarray, trees: int, seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    # Its trees judge the rows they were not grown on: one forest tells as much as a round of folds would.
    kind = RandomForestClassifier if is_classes(y) else RandomForestRegressor
    return kind(trees, min_samples_leaf=2, oob_score=True, random_state=seed)


def _folds(y: np.ndarray) -> Any:
    from sklearn.model_selection import KFold, StratifiedKFold

    if is_classes(y) and np.unique(y, return_counts=True)[1].min() >= 3:
        return StratifiedKFold(3, shuffle=True, random_state=0)
    return KFold(3, shuffle=True, random_state=0)
