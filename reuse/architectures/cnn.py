"""A small convolutional network on pixel tables, with BatchNorm where asked for: each row is an image of height x width x channels, flattened."""

from typing import Any

import torch

SCHEMA = {
    "height": (int, 2, 512),
    "width": (int, 2, 512),
    "channels": (int, 1, 16, 1),
    "filters": (list, 1, 1_024, 6),
    "norm": (bool, False),
    "hidden": (int, 1, 16_384, 64),
    "outputs": (int, 1, 10_000),
}


def parameters(config: dict[str, Any]) -> int:
    filters = [config["channels"], *config["filters"]]
    count = sum((9 * a + 1 + 2 * config["norm"]) * b for a, b in zip(filters, filters[1:], strict=False))
    return count + (_flat(config) + 1) * config["hidden"] + (config["hidden"] + 1) * config["outputs"]


def build(config: dict[str, Any]) -> torch.nn.Module:
    return Cnn(config)


def _flat(config: dict[str, Any]) -> int:
    height, width = config["height"], config["width"]
    for _ in config["filters"]:
        height, width = (height + 1) // 2, (width + 1) // 2
    return height * width * ([config["channels"], *config["filters"]][-1])


class Cnn(torch.nn.Module):
    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.shape = (config["channels"], config["height"], config["width"])
        layers: list[torch.nn.Module] = []
        channels = config["channels"]
        for filters in config["filters"]:
            norm = [torch.nn.BatchNorm2d(filters)] if config["norm"] else []
            layers += [torch.nn.Conv2d(channels, filters, 3, padding=1), *norm, torch.nn.ReLU(), torch.nn.MaxPool2d(2, ceil_mode=True)]
            channels = filters
        self.body = torch.nn.Sequential(*layers)
        self.neck = torch.nn.Linear(_flat(config), config["hidden"])
        self.head = torch.nn.Linear(config["hidden"], config["outputs"])

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        features = self.body(X.reshape(len(X), *self.shape)).flatten(1)
        return self.head(torch.relu(self.neck(features)))
