"""A multi-layer perceptron, with LayerNorm where asked for."""

from typing import Any

import torch

SCHEMA = {
    "inputs": (int, 1, 100_000),
    "hidden": (list, 1, 16_384, 16),
    "outputs": (int, 1, 10_000),
    "activation": (str, "relu", "gelu", "tanh"),
    "norm": (bool, False),
}
ACTIVATIONS = {"relu": torch.nn.ReLU, "gelu": torch.nn.GELU, "tanh": torch.nn.Tanh}


def parameters(config: dict[str, Any]) -> int:
    widths = [config["inputs"], *config["hidden"]]
    count = sum((a + 1) * b + 2 * b * config["norm"] for a, b in zip(widths, widths[1:], strict=False))
    return count + (widths[-1] + 1) * config["outputs"]


def build(config: dict[str, Any]) -> torch.nn.Module:
    return Mlp(config)


class Mlp(torch.nn.Module):
    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        layers: list[torch.nn.Module] = []
        width = config["inputs"]
        for hidden in config["hidden"]:
            layers.append(torch.nn.Linear(width, hidden))
            if config["norm"]:
                layers.append(torch.nn.LayerNorm(hidden))
            layers.append(ACTIVATIONS[config["activation"]]())
            width = hidden
        self.body = torch.nn.Sequential(*layers)
        self.head = torch.nn.Linear(width, config["outputs"])

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(X))
