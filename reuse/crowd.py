"""Members before some rows: what each answers there, and how near each one's data is."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import logsumexp

from reuse import combine
from specs import Rkme, squared_mmd

BORDER_C = 10.0  # flat from 3 to 100 on the demo's tasks


@dataclass(frozen=True, eq=False)
class Crowd:
    """`outputs` one array a member, aligned to `classes`; `X` (n, d) the rows' coordinates; `weights` (m,) the mixture's;
    `distances` (m,) squared MMD of each to the `requirement`.
    """

    outputs: list[np.ndarray]
    X: np.ndarray
    rkmes: list[Rkme]
    weights: np.ndarray
    distances: np.ndarray
    classes: tuple[str, ...]
    requirement: Rkme | None = None
    _of: tuple["Crowd", np.ndarray] | None = None
    _kept: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    def size(self) -> int:
        """How many members."""
        return len(self.outputs)

    @property
    def prior(self) -> np.ndarray:
        """The mixture's weights, equal ones where there are none; (m,) summing to 1."""
        w = self.weights if self.weights.sum() > 0 else np.ones(self.size)
        return w / w.sum()

    @property
    def densities(self) -> np.ndarray:
        """mu_i(x): the kernel mean of each member's specification at each row; (n, m)."""
        return self.by_row("densities", lambda crowd: np.stack([rkme.at(crowd.X) for rkme in crowd.rkmes], axis=1))

    @property
    def borders(self) -> np.ndarray:
        """log P(member i | x) by a logistic model that tells the members' specification points apart; (n, m), -inf at weight 0.

        A kernel sees all coordinates alike; this learns along which of them the members' domains part.
        """
        return self.by_row("borders", _borders)

    def once(self, name: Any, make: Callable[["Crowd"], Any]) -> Any:
        """Something that hangs on the members and not on the rows: made once for the whole crowd, however many parts of it ask."""
        whole = self._of[0] if self._of is not None else self
        if name not in whole._kept:
            whole._kept[name] = make(whole)
        return whole._kept[name]

    def by_row(self, name: Any, make: Callable[["Crowd"], np.ndarray]) -> np.ndarray:
        """An array (n, ...) that hangs on each row alone: made once for the whole crowd, however many parts of it ask."""
        if self._of is not None:
            whole, chosen = self._of
            return whole.by_row(name, make)[chosen]
        if name not in self._kept:
            self._kept[name] = make(self)
        return self._kept[name]

    def rows(self, chosen: np.ndarray) -> "Crowd":
        """The same members before some of the rows."""
        whole, of_whole = (self, chosen) if self._of is None else (self._of[0], self._of[1][chosen])
        return Crowd([output[chosen] for output in self.outputs], self.X[chosen], self.rkmes, self.weights, self.distances, self.classes, self.requirement, (whole, of_whole))

    def part(self, members: list[int]) -> "Crowd":
        """Some of the members before the same rows."""
        return Crowd([self.outputs[i] for i in members], self.X, [self.rkmes[i] for i in members], self.weights[members], self.distances[members], self.classes, self.requirement)

    def answer(self, weights: np.ndarray, unseen: str) -> np.ndarray:
        """The outputs combined under weights (n, m) or (m,); see combine.weighted."""
        return combine.weighted(self.outputs, weights, unseen)


def _borders(crowd: Crowd) -> np.ndarray:
    active = np.flatnonzero(crowd.prior > 0)
    out = np.full((len(crowd.X), crowd.size), -np.inf)
    out[:, active] = 0.0
    if len(active) > 1:
        out[:, active] = _log_posterior([crowd.rkmes[i] for i in active], crowd.prior[active], crowd.X)
    return out


def _log_posterior(rkmes: list[Rkme], prior: np.ndarray, X: np.ndarray) -> np.ndarray:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    Z = np.concatenate([rkme.points for rkme in rkmes]).astype(np.float64)
    member = np.repeat(np.arange(len(rkmes)), [rkme.size for rkme in rkmes])
    mass = np.concatenate([p * rkme.distribution for p, rkme in zip(prior, rkmes, strict=True)])
    scaler = StandardScaler().fit(Z)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # domains that part cleanly have no finite optimum; where it stops is good enough
        model = LogisticRegression(C=BORDER_C, max_iter=200).fit(scaler.transform(Z), member, sample_weight=mass * len(Z))
    scores = model.decision_function(scaler.transform(X))
    if scores.ndim == 1:
        scores = np.column_stack([np.zeros(len(scores)), scores])
    # Our own log-softmax: a row far from everybody has a probability of 0 somewhere, but a finite score.
    return scores - logsumexp(scores, axis=1, keepdims=True)


def distances(requirement: Rkme | None, rkmes: list[Rkme]) -> np.ndarray:
    """Squared MMD of each member to the requirement; zeros where there is none."""
    return np.array([squared_mmd(requirement, rkme) if requirement is not None else 0.0 for rkme in rkmes])
