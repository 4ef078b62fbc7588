"""Runs inside the environment that holds peft: its merging and its low-rank changes on small arrays. In and out by files (benchmarks/peers.py)."""

import json
import sys
from pathlib import Path

import numpy as np
import peft
import torch
from peft.utils import merge_utils


def main(folder: Path) -> None:
    with np.load(folder / "in.npz") as found:
        arrays = {name: torch.as_tensor(value) for name, value in found.items()}
    asked = json.loads((folder / "in.json").read_text())
    deltas = list(arrays["deltas"])
    weights = torch.ones(len(deltas))
    out = {"task arithmetic": merge_utils.task_arithmetic(deltas, weights)}
    for density in asked["densities"]:
        out[f"trimmed {density}"] = torch.stack([merge_utils.prune(delta, density, method="magnitude") for delta in deltas])
        out[f"ties {density}"] = merge_utils.ties(deltas, weights, density)
    layer = torch.nn.Sequential(torch.nn.Linear(arrays["W"].shape[1], arrays["W"].shape[0], bias=False))
    layer[0].weight.data = arrays["W"].clone()
    config = peft.LoraConfig(r=asked["rank"], lora_alpha=asked["alpha"], target_modules=["0"], lora_dropout=0.0)
    model = peft.get_peft_model(layer, config)
    low = model.base_model.model[0]
    low.lora_A["default"].weight.data, low.lora_B["default"].weight.data = arrays["A"].clone(), arrays["B"].clone()
    with torch.no_grad():
        out["LoRA, answers"] = model(arrays["X"])
    out["LoRA, merged"] = model.merge_and_unload()[0].weight.detach()
    np.savez(folder / "out.npz", **{name: value.numpy() for name, value in out.items()})
    (folder / "out.json").write_text(json.dumps({"peft": peft.__version__}))


main(Path(sys.argv[1]))
