"""What RegMean and Fisher need to know of a model's data, in place of the data: inner products of layers' inputs, and squared gradients.

An owner may publish them beside the model (`write`); where none did, they are computed from the points of its specification, which stand
for the data already. A Gram matrix gives away second moments of a layer's inputs (for the first layer: of the data's coordinates).
"""

from pathlib import Path
from typing import Any

import numpy as np

from reuse.errors import ReuseError
from reuse.manifest import STATISTICS

FILE = STATISTICS
KINDS = ("gram", "fisher")
EXACT = 20  # classes; the expectation over a model's own labels is taken exactly up to here, beyond over its first choice
MOST = 512  # rows; squared gradients are computed row by row


def grams(module: Any, X: np.ndarray, weights: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """{"gram/<tensor>": (inputs, inputs)} for the weight of each linear layer: the weighted mean of x x' over its inputs x.

    `module` is a torch module on rows X (n, d) float; `weights` (n,) default to equal ones.
    """
    import torch

    w = _weights(X, weights)
    found: dict[str, np.ndarray] = {}

    def remember(name: str) -> Any:
        def hook(layer: Any, inputs: tuple[Any, ...]) -> None:
            x = inputs[0].detach().double().reshape(len(w), -1, inputs[0].shape[-1])
            share = torch.from_numpy(w)[:, None, None].expand(-1, x.shape[1], 1) / x.shape[1]
            flat = x.reshape(-1, x.shape[-1])
            found[f"gram/{name}.weight"] = (flat.T @ (flat * share.reshape(-1, 1))).numpy()
        return hook

    handles = [layer.register_forward_pre_hook(remember(name)) for name, layer in module.named_modules() if isinstance(layer, torch.nn.Linear)]
    try:
        with torch.inference_mode():
            module.eval()(torch.as_tensor(np.asarray(X, np.float32)))
    finally:
        for handle in handles:
            handle.remove()
    return found


def fishers(module: Any, X: np.ndarray, weights: np.ndarray | None = None, *, classifier: bool = True) -> dict[str, np.ndarray]:
    """{"fisher/<tensor>": its shape}: mean squared gradient of the log likelihood under the model's own labels, all of it scaled to length 1.

    For values: of the answer itself, which is the same for a normal error of fixed size. At most 512 rows are looked at.
    """
    import torch
    from torch.func import functional_call, grad, vmap

    w = _weights(X, weights)
    chosen = np.sort(np.argsort(-w, kind="stable")[:MOST])
    w = w[chosen] / w[chosen].sum()
    rows = torch.as_tensor(np.asarray(X, np.float32)[chosen])
    module = module.eval()
    values = {name: p.detach() for name, p in module.named_parameters()}
    buffers = dict(module.named_buffers())

    def answer(parameters: Any, row: Any, which: Any) -> Any:
        out = functional_call(module, (parameters, buffers), (row[None],))[0]
        return (torch.log_softmax(out, dim=0) * which).sum() if classifier else out[0]

    with torch.no_grad():
        out = module(rows)
    P = torch.softmax(out, dim=1).double() if classifier else torch.ones(len(rows), 1, dtype=torch.double)
    labels = range(P.shape[1]) if P.shape[1] <= EXACT else [None]
    found = {name: torch.zeros(p.shape, dtype=torch.double) for name, p in values.items()}
    gradient = vmap(grad(answer), in_dims=(None, 0, 0))
    for part in torch.arange(len(rows)).split(64):
        for label in labels:
            which = torch.nn.functional.one_hot(P[part].argmax(dim=1) if label is None else torch.full((len(part),), label), P.shape[1]).float()
            mass = torch.from_numpy(w)[part] * (1.0 if label is None else P[part, label])
            for name, g in gradient(values, rows[part], which).items():
                found[name] += torch.einsum("n,n...->...", mass, g.double() ** 2)
    length = float(torch.sqrt(sum((F**2).sum() for F in found.values()))) or 1.0
    return {f"fisher/{name}": (F / length).numpy() for name, F in found.items()}


def write(path: str | Path, statistics: dict[str, np.ndarray]) -> None:
    """Publish statistics as one safetensors file of float32."""
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(a, np.float32) for name, a in statistics.items()}, path)


def read(path: str | Path, most: int = 1 << 30) -> dict[str, np.ndarray]:
    """Read published statistics; raises ReuseError for a file that breaks a rule: names, finite numbers, square symmetric Gram matrices, no negative squares."""
    from reuse.weights.files import Checkpoint

    opened = Checkpoint.open(path)
    if opened.nbytes > most:
        raise _wrong(f"it may hold {most:,} bytes; it holds {opened.nbytes:,}.")
    found = {}
    for name, layout in opened.layouts.items():
        kind, _, tensor = name.partition("/")
        if kind not in KINDS or not tensor or layout.dtype != "F32":
            raise _wrong(f"its tensors are float32 and named gram/TENSOR or fisher/TENSOR; got {name[:60]!r} of {layout.dtype}.")
        values = opened.values(name)
        if not np.isfinite(values).all():
            raise _wrong(f"{name!r} holds NaN or infinity.")
        if kind == "gram" and (values.ndim != 2 or values.shape[0] != values.shape[1] or not np.allclose(values, values.T, rtol=1e-3, atol=1e-5 * max(1e-9, float(np.abs(values).max())))):
            raise _wrong(f"{name!r} must be a square, symmetric matrix; its shape is {values.shape}.")
        if (np.diag(values) if kind == "gram" else values).min(initial=0) < 0:
            raise _wrong(f"{name!r} is a mean of squares and must not be negative.")
        found[name] = values
    return found


def check(path: str | Path, shapes: dict[str, tuple[int, ...]]) -> dict[str, list[str]]:
    """{"gram": names of tensors, "fisher": names}; raises ReuseError for a file that breaks a rule or does not fit tensors of these shapes."""
    found: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for name, values in read(path).items():
        kind, _, tensor = name.partition("/")
        shape = shapes.get(tensor)
        wanted = shape if kind == "fisher" else (shape[1], shape[1]) if shape is not None and len(shape) == 2 else None
        if values.shape != wanted:
            raise _wrong(f"{name[:60]!r} of shape {values.shape} does not fit the model, which " + (f"asks for {wanted}." if wanted else "has no such matrix."))
        found[kind].append(tensor)
    return found


def _weights(X: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    w = np.ones(len(X)) if weights is None else np.asarray(weights, np.float64)
    return w / w.sum()


def _wrong(why: str) -> ReuseError:
    return ReuseError("wrong-statistics", f"The statistics are refused: {why}", "Write them with reuse.weights.statistics.write.")
