"""Merging and low-rank changes beside peft, number by number, on small arrays.

TIES: peft keeps the int(density n) largest of a flattened tensor, elects the sign of the sum and averages what agrees, as ours does for each tensor. Task arithmetic: the
sum. LoRA: a linear layer with the same A and B answers alike, and the merged weight is W + alpha / rank B A. What is shown is the largest difference,
as a share of the largest number.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import peers
from benchmarks.report import Row, main

DENSITIES = (0.1, 0.2, 0.5, 0.9)
SHAPE, MODELS, RANK, ALPHA = (48, 64), 3, 4, 8.0


def run(arguments: argparse.Namespace) -> list[Row]:
    import torch

    from reuse.finetune import lora
    from reuse.weights import merged

    rows: dict[str, float] = {}
    for seed in range(arguments.seeds or 5):
        rng = np.random.default_rng(seed)
        normal = lambda *shape, rng=rng: rng.standard_normal(shape).astype(np.float32)  # noqa: E731
        base, deltas = normal(*SHAPE), 0.1 * normal(MODELS, *SHAPE)
        arrays = {"deltas": deltas, "W": base, "A": normal(RANK, SHAPE[1]), "B": normal(SHAPE[0], RANK), "X": normal(16, SHAPE[1])}
        with tempfile.TemporaryDirectory() as folder:
            _, theirs = peers.ask("mergekit", "peer_peft.py", {"densities": DENSITIES, "rank": RANK, "alpha": ALPHA}, arrays, Path(folder))
        models = [{"w": base + delta} for delta in deltas]

        def ours(address: str, *, models: list = models, base: np.ndarray = base, **params: object) -> np.ndarray:
            return merged(address, models, {"w": base}, params)["w"] - base

        def note(name: str, found: np.ndarray, wanted: np.ndarray) -> None:
            rows[name] = max(rows.get(name, 0.0), float(np.abs(found - wanted).max() / np.abs(wanted).max()))

        note("task arithmetic", ours("merge/task-arithmetic", scale=1.0), theirs["task arithmetic"])
        for density in DENSITIES:
            note(f"TIES, density {density:g}", ours("merge/ties", density=density, per_tensor=True), theirs[f"ties {density}"])
        layer = torch.nn.Sequential()
        layer.add_module("body", torch.nn.Linear(SHAPE[1], SHAPE[0], bias=False))
        layer.body.weight.data = torch.as_tensor(base.copy())
        lora.attach(layer, RANK, ALPHA / RANK)
        low = layer.body.parametrizations.weight[0]
        low.A.data, low.B.data = torch.as_tensor(arrays["A"]), torch.as_tensor(arrays["B"])
        with torch.no_grad():
            note("LoRA, answers", layer(torch.as_tensor(arrays["X"])).numpy(), theirs["LoRA, answers"])
        lora.merge(layer)
        note("LoRA, merged weight", layer.body.weight.detach().numpy(), theirs["LoRA, merged"])
    return [Row(name, "largest difference, relative", "", value, limit=1e-6, note="limit: the goal, float32 rounding") for name, value in rows.items()]


if __name__ == "__main__":
    main("adapters", run, doc=__doc__, packages=("torch", "numpy"))
