"""Members before some rows: what each answers there, and how near each one's data is."""

import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import logsumexp

from reuse import combine
from specs import Rkme, squared_mmd

BORDER_C = 10.0  # flat from 3 to 100 on the demo's tasks


@dataclass(frozen=True, eq=False)
class Crowd:
    """`outputs` one array a member, aligned to `classes`; `X` (n, d) the rows' coordinates; `weights` (m,) the mixture's."""

    outputs: list[np.ndarray]
    X: np.ndarray
    rkmes: list[Rkme]
    weights: np.ndarray
    distances: np.ndarray
    classes: tuple[str, ...]

    @property
    def size(self) -> int:
        """How many members."""
        return len(self.outputs)

    @cached_property
    def densities(self) -> np.ndarray:
        """mu_i(x): the kernel mean of each member's specification at each row; (n, m)."""
        return np.stack([rkme.at(self.X) for rkme in self.rkmes], axis=1)

    @cached_property
    def borders(self) -> np.ndarray:
        """log P(member i | x) by a logistic model that tells the members' specification points apart; (n, m), -inf at weight 0.

        A kernel sees all coordinates alike; this learns along which of them the members' domains part.
        """
        prior = self.weights if self.weights.sum() > 0 else np.ones(self.size)
        active = np.flatnonzero(prior > 0)
        out = np.full((len(self.X), self.size), -np.inf)
        out[:, active] = 0.0
        if len(active) > 1:
            out[:, active] = _log_posterior([self.rkmes[i] for i in active], prior[active] / prior.sum(), self.X)
        return out

    def rows(self, chosen: np.ndarray) -> "Crowd":
        """The same members before some of the rows."""
        part = Crowd([output[chosen] for output in self.outputs], self.X[chosen], self.rkmes, self.weights, self.distances, self.classes)
        for name in ("densities", "borders"):
            if name in self.__dict__:
                part.__dict__[name] = self.__dict__[name][chosen]
        return part

    def answer(self, weights: np.ndarray, unseen: str) -> np.ndarray:
        """The outputs combined under weights (n, m) or (m,); see combine.weighted."""
        return combine.weighted(self.outputs, weights, unseen)


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
