"""One linear layer: logistic or linear regression."""

from typing import Any

import torch

SCHEMA = {"inputs": (int, 1, 100_000), "outputs": (int, 1, 10_000)}


def parameters(config: dict[str, Any]) -> int:
    return (config["inputs"] + 1) * config["outputs"]


def build(config: dict[str, Any]) -> torch.nn.Module:
    return Linear(config["inputs"], config["outputs"])


class Linear(torch.nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.head = torch.nn.Linear(inputs, outputs)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return self.head(X)
