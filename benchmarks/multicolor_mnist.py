"""MultiColorMNIST: two models that each lean on other spurious features are better together, and their weights are not to be averaged.

The toy of Lin et al., "Spurious Feature Diversification Improves Out-of-distribution Generalization", 2024. On a canvas of 42 x 42 the digit stands in
the middle, subsampled to 14 x 14; around it lie 32 patches of 7 x 7, each with its own permutation of ten colours. In training a patch has its
colour of the label; in the test each, by itself, a random one with probability p. 50,000 pictures to learn from, 10,000 to test; mlp 5292-64-64-10, Adam
1e-3, batches of 64, 4,500 steps, squared error on one-hot labels. Two models a restart, from other starts.
"""

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import hashlib
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import digits
from benchmarks.report import Row, main

FLIPS = (0.7, 0.75, 0.8, 0.85, 0.9)
STEPS, BATCH = 4_500, 64
CONFIG = {"inputs": 42 * 42 * 3, "hidden": [64, 64], "outputs": 10, "activation": "relu"}
PALETTE = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 0.5, 0], [0.5, 0, 1], [0, 0.5, 0.5], [1, 1, 1]], np.float32)
CELLS = [(i, j) for i in range(6) for j in range(6) if not (2 <= i < 4 and 2 <= j < 4)]


class Pictures:
    """One restart's permutations of colours, and pictures on demand."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.colours = np.stack([rng.permutation(10) for _ in CELLS])  # (32, 10): the colour of each label in each patch
        self.place = np.zeros((42, 42), int)
        for k, (i, j) in enumerate(CELLS):
            self.place[7 * i : 7 * i + 7, 7 * j : 7 * j + 7] = k

    def draw(self, small: np.ndarray, labels: np.ndarray, flip: float, rng: np.random.Generator) -> np.ndarray:
        """(n, 5292) float32 for digits `small` (n, 14, 14) in [0, 1] and their labels."""
        chosen = self.colours[:, labels].T  # (n, 32)
        if flip:
            chosen = np.where(rng.random(chosen.shape) < flip, rng.integers(0, 10, chosen.shape), chosen)
        canvas = PALETTE[chosen][:, self.place]
        canvas[:, 14:28, 14:28] = small[..., None]
        return canvas.reshape(len(small), -1)


def trained(pictures: Pictures, small: np.ndarray, labels: np.ndarray, seed: int) -> Any:
    """A model of the training pictures."""
    import torch

    from reuse import architectures

    torch.manual_seed(seed)
    model, rng = architectures.build("mlp", CONFIG), np.random.default_rng(seed)
    optimiser, wanted = torch.optim.Adam(model.parameters(), lr=1e-3), torch.eye(10)[torch.as_tensor(labels)]
    for _ in range(STEPS):
        rows = rng.integers(0, len(small), BATCH)
        loss = ((model(torch.as_tensor(pictures.draw(small[rows], labels[rows], 0.0, rng))) - wanted[rows]) ** 2).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    return model.eval()


def restart(seed: int, small: np.ndarray, labels: np.ndarray, test: slice) -> dict[float, np.ndarray]:
    """{flip: (model 1, model 2, outputs averaged, weights averaged, both wrong and the ensemble right)}, shares."""
    import torch

    from reuse.weights import merged

    pictures = Pictures(seed)
    models = [trained(pictures, small[:50_000], labels[:50_000], 2 * seed + i) for i in range(2)]
    weights = merged("merge/average", [{name: value.numpy() for name, value in model.state_dict().items()} for model in models])
    averaged = trained_shell(weights)
    found = {}
    for flip in (0.0, *FLIPS):
        rng = np.random.default_rng([seed, int(100 * flip)])
        right = {name: [] for name in ("one", "two", "together", "weights")}
        for part in np.array_split(np.arange(len(labels))[test], 20):
            X = torch.as_tensor(pictures.draw(small[part], labels[part], flip, rng))
            with torch.inference_mode():
                a, b, c = (model(X).numpy() for model in (*models, averaged))
            for name, output in (("one", a), ("two", b), ("together", a + b), ("weights", c)):
                right[name].append(output.argmax(axis=1) == labels[part])
        hit = {name: np.concatenate(parts) for name, parts in right.items()}
        found[flip] = np.array([hit["one"].mean(), hit["two"].mean(), hit["together"].mean(), hit["weights"].mean(), (hit["together"] & ~hit["one"] & ~hit["two"]).mean()])
    return found


def trained_shell(weights: dict[str, np.ndarray]) -> Any:
    """The architecture with these weights."""
    import torch

    from reuse import architectures

    model = architectures.build("mlp", CONFIG)
    model.load_state_dict({name: torch.as_tensor(value) for name, value in weights.items()})
    return model.eval()


def refusals() -> dict[str, bool]:
    """Whether the product refuses to average the weights of two starts: when they name no common base, and when they lie about one."""
    import torch
    from safetensors.torch import save_file

    from reuse import ReuseError, architectures, family
    from reuse.manifest import Manifest
    from reuse.plan import Member
    from reuse.weights import merging
    from specs import Rkme

    with tempfile.TemporaryDirectory() as scratch:
        members = []
        for i in range(2):
            torch.manual_seed(i)
            path = Path(scratch) / f"{i}.safetensors"
            save_file(architectures.build("mlp", CONFIG).state_dict(), path)
            manifest = {
                "format": "moorage.learnware/1", "name": f"m{i}", "version": "1.0.0", "task": "classification", "licence": "MIT", "input": {"space": "0" * 64, "takes": "coordinates"},
                "output": {"kind": "classes", "target": "digit", "classes": [str(c) for c in range(10)]}, "base": None,
                "model": {"format": "safetensors", "file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "size": path.stat().st_size,
                          "architecture": {"name": "mlp", "config": CONFIG}},
            }
            members.append((path, manifest))

        def refused(base: dict[str, str] | None) -> bool:
            held = [Member(f"a/m{i}@1.0.0", path, Manifest.read(manifest | {"base": base}), Rkme(points=np.zeros((1, 2)), weights=np.ones(1), sigma=1.0, n=1, space_id="0" * 64))
                    for i, (path, manifest) in enumerate(members)]
            try:
                tuned, _ = family.split(held, None, False)
                merging.akin(family.opened(tuned, tuned[0]), None)
            except ReuseError as error:
                return error.code == "other-base"
            return False

        return {"two starts without a common base": refused(None), "two starts that claim one base": refused({"sha256": "f" * 64})}


def run(arguments: argparse.Namespace) -> list[Row]:
    import torch

    torch.set_num_threads(1)
    pictures, labels = digits.mnist()
    small = digits.unit(pictures[:, ::2, ::2])
    restarts = arguments.seeds or (2 if arguments.quick else 20)
    found = []
    for seed in range(restarts):
        began = time.monotonic()
        found.append(restart(seed, small, labels, slice(60_000, 70_000)))
        one, two, together, weights, _ = found[-1][0.7]
        print(f"restart {seed + 1}: at .7 {one:.3f} {two:.3f}, together {together:.3f}, weights averaged {weights:.3f} ({time.monotonic() - began:.0f} s)", file=sys.stderr, flush=True)
    rows = []
    for flip in (0.0, *FLIPS):
        A = 100 * np.stack([part[flip] for part in found])
        singles, case = A[:, :2].mean(axis=1), f"p = {flip:g}" if flip else "in distribution"
        sd = lambda a: f"sd {a.std(ddof=1):.1f}" if len(a) > 1 else ""  # noqa: E731
        rows.append(Row(case, "single models, accuracy", "%", float(singles.mean()), note=sd(A[:, :2].ravel())))
        rows.append(Row(case, "outputs averaged", "%", float(A[:, 2].mean()), peer=float(singles.mean()),
                        note=f"{sd(A[:, 2])}; above both members in {(A[:, 2] > A[:, :2].max(axis=1)).sum()} of {len(A)}; right where both are wrong: {A[:, 4].mean():.1f} %"))
        rows.append(Row(case, "weights averaged", "%", float(A[:, 3].mean()), peer=float(singles.mean()), note=sd(A[:, 3])))
    rows += [Row(what, "the product refuses to average the weights", "", float(refused), limit=1.0) for what, refused in refusals().items()]
    return rows


if __name__ == "__main__":
    main("multicolor_mnist", run, doc=__doc__, packages=("torch", "numpy", "numba"))
