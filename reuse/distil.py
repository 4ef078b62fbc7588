"""Distil: one small network learns to answer as all members together do.

It learns from the ensemble's soft answers on your rows, which need no labels: which classes a row could be taken for says more than the
one it is. The members run in a sandbox and answer once, so nothing can be asked about new rows; where rows are few, each is also mixed
with neighbours, values and logits alike. A fifth of the rows is left out of training altogether and says how often the network agrees
with the ensemble. Hinton et al., "Distilling the Knowledge in a Neural Network", 2015, https://arxiv.org/abs/1503.02531
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from reuse import architectures
from reuse.errors import ReuseError
from reuse.finetune import Phase, Settings, train

NEEDS_LABELS = False
LEAST_HELD = 10  # rows
FEW = 200  # rows; below, they are mixed with neighbours
COPIES, NEIGHBOURS = 3, 10
FLOOR = 1e-6  # a forest's flat zero is no infinite logit


@dataclass(frozen=True)
class Distilled:
    """The network that answers in the ensemble's stead; for values its config holds their location and scale."""

    module: Any
    agreement: float  # on the rows held out: share of equal classes, or R2 with the ensemble's values as the truth
    held: int  # how many rows that was
    curve: list[dict[str, Any]]
    notes: list[str]


def fit(
    X: np.ndarray, teacher: np.ndarray, classes: int, over: Callable[[], bool] = lambda: False, seen: Callable[[dict[str, Any]], None] = lambda row: None, *,
    of: str = "ensemble/hedged", hidden: int = 64, layers: int = 2, epochs: int = 200, temperature: float = 2.0, seed: int = 0,
) -> Distilled:
    """Train an mlp on coordinates X (n, d) and the ensemble's answers `teacher`: probabilities (n, classes), or with `classes` 0 values (n,).

    `of` names the ensemble whose answers those are. Both are softened alike: p^(1/T) / sum, and softmax(z / T). The rows held out choose nothing, so the agreement is not flattered.
    Raises Cancelled once `over` says so, and ReuseError for fewer than twice LEAST_HELD rows and for answers that are none.
    """
    import torch

    if not temperature > 0:
        raise ReuseError("wrong-parameter", f"temperature must be a number above 0; got {temperature!r}.")
    if layers < 0:
        raise ReuseError("wrong-parameter", f"layers must be 0 or more; got {layers!r}.")
    if len(X) < 2 * LEAST_HELD:
        raise ReuseError("too-few-rows", f"Distillation needs {2 * LEAST_HELD} rows or more; got {len(X)}.", "Give more rows: they need no labels.")
    answers = _answers(teacher, classes, len(X))
    order = np.random.default_rng(seed).permutation(len(X))
    held = max(LEAST_HELD, len(X) // 5)
    test, rows = order[:held], order[held:]
    config = {"inputs": int(X.shape[1]), "hidden": [hidden] * layers, "outputs": classes or 1, "activation": "gelu", "norm": True}
    if classes:
        wanted = np.log(np.maximum(answers, FLOOR))
    else:
        config |= {"output_location": float(answers[rows].mean()), "output_scale": float(answers[rows].std()) or 1.0}
        wanted = (answers - config["output_location"]) / config["output_scale"]
    coordinates, wanted = np.asarray(X, dtype=np.float64)[rows], wanted[rows]
    if len(X) < FEW:
        coordinates, wanted = with_neighbours(coordinates, wanted, seed)
    if classes:
        wanted = np.exp(wanted / temperature)
        wanted /= wanted.sum(axis=1, keepdims=True)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        student = architectures.build("mlp", config)
    phase = Phase("all", epochs, lr=0.003, weight_decay=0.01)
    batch = int(np.clip(len(rows) // 20, 32 if len(X) >= FEW else 64, 1024))  # about 20 steps to an epoch, however many rows
    settings = Settings((phase,), validation=0.0, seed=seed, balanced=False, batch=batch, warmup=0.05, cosine=True)
    done = train(student, coordinates, wanted, classes, settings, over=over, seen=seen)
    with torch.inference_mode():
        if classes:  # it learned z / T; times T are the logits of the answers as they came
            student.head.weight.mul_(temperature)
            student.head.bias.mul_(temperature)
        out = student(torch.as_tensor(X[test], dtype=torch.float32)).double().numpy()
    return Distilled(student, _agreement(out, answers[test], config), held, done.curve, done.notes)


def with_neighbours(X: np.ndarray, Z: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """X (n, d) and Z (n, ...) with COPIES mixtures of each row and one of its nearest, at most half way to it: ((1 + COPIES) n, ...) of each.

    Mixup of logits rather than probabilities, as a linear model's answers are mixed by, and of neighbours, between which others are
    nearly linear too. Measured over eight draws: the student of a logistic regression agrees 4 points oftener at 40 rows and 1 at 100 and
    180, that of a forest 1 less to level. Mixing the probabilities of any two rows cost the former 9 points at 100 rows.
    """
    generator, n = np.random.default_rng(seed), len(X)
    far = ((X[:, None] - X[None]) ** 2).sum(axis=2)
    np.fill_diagonal(far, np.inf)
    near = far.argsort(axis=1)[:, : min(NEIGHBOURS, n - 1)]
    every, inputs, answers = np.arange(n), [X], [Z]
    for _ in range(COPIES):
        other, share = near[every, generator.integers(0, near.shape[1], n)], generator.uniform(0, 0.5, n)
        for values, found in ((X, inputs), (Z, answers)):
            part = share.reshape(-1, *[1] * (values.ndim - 1))
            found.append((1 - part) * values + part * values[other])
    return np.concatenate(inputs), np.concatenate(answers)


def _answers(teacher: np.ndarray, classes: int, rows: int) -> np.ndarray:
    """The ensemble's answers in float64, probabilities made to sum to one."""
    answers = np.array(teacher, dtype=np.float64)
    shape = (rows, classes) if classes else (rows,)
    if answers.shape != shape:
        raise ReuseError("wrong-answers", f"The ensemble's answers must be of shape {shape}; got {answers.shape}.")
    if not np.isfinite(answers).all() or (classes and ((answers < 0).any() or not (answers.sum(axis=1) > 0).all())):
        raise ReuseError("wrong-answers", "The ensemble must answer every row with finite numbers, for classes with probabilities; some are not.")
    return answers / answers.sum(axis=1, keepdims=True) if classes else answers


def _agreement(out: np.ndarray, answers: np.ndarray, config: dict[str, Any]) -> float:
    if answers.ndim == 2:
        return float((out.argmax(axis=1) == answers.argmax(axis=1)).mean())
    found = out[:, 0] * config["output_scale"] + config["output_location"]
    spread = ((answers - answers.mean()) ** 2).sum()
    if spread == 0:  # a constant has no variance to explain: right or wrong
        return float(np.allclose(found, answers))
    return float(1 - ((found - answers) ** 2).sum() / spread)
