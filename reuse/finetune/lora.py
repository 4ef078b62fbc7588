"""LoRA: every layer learns a change of low rank, the head learns freely.

W + alpha / rank * B A with A (rank, in) and B (out, rank): few numbers to learn, so that few rows teach a large model without its
forgetting much. A convolution's kernel counts as a matrix (out, in x height x width). B starts at zero, so the model starts as it
was; at the end the changes are added to the weights and the model looks as before.
Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021, https://arxiv.org/abs/2106.09685
"""

import math
from typing import Any

import torch
from torch.nn.utils import parametrize

from reuse.finetune import Phase, Settings, must

LAYERS = (torch.nn.Linear, torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)


def tune(
    module: Any, *, epochs: int = 100, lr: float = 0.005, rank: int = 8, alpha: float = 16.0, weight_decay: float = 0.0, balanced: bool = True, seed: int = 0
) -> Settings:
    must("alpha", "a number above 0", alpha > 0, alpha)
    must("rank", "1 or more", rank >= 1, rank)
    return Settings((Phase("lora", epochs, lr, weight_decay),), 0.2, seed, rank=rank, scale=alpha / rank, balanced=balanced, warmup=0.1, cosine=True)


class Low(torch.nn.Module):
    """A weight (out, ...) with a change of low rank added."""

    def __init__(self, weight: torch.Tensor, rank: int, scale: float) -> None:
        super().__init__()
        out, *rest = weight.shape
        self.scale = scale
        self.A = torch.nn.Parameter(weight.new_empty(rank, math.prod(rest)))
        self.B = torch.nn.Parameter(weight.new_zeros(out, rank))
        torch.nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight + self.scale * (self.B @ self.A).view_as(weight)


def attach(module: Any, rank: int, scale: float) -> None:
    """Give every linear and convolution layer but the head a change of low rank; it and the head alone learn from here on."""
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name.startswith("head."))
    for layer in _layers(module):
        smallest = min(layer.weight.shape[0], layer.weight[0].numel())  # a higher rank than that is no change of low rank, only slower
        parametrize.register_parametrization(layer, "weight", Low(layer.weight, min(rank, smallest), scale))


def merge(module: Any) -> None:
    """Add the changes to the weights: plain layers with plain names, in the order they had."""
    for layer in _layers(module):
        if parametrize.is_parametrized(layer, "weight"):
            weight = layer.weight.detach().clone()
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
            with torch.no_grad():
                layer.weight.copy_(weight)
            layer._parameters = {"weight": layer._parameters.pop("weight"), **layer._parameters}


def _layers(module: Any) -> list[Any]:
    return [layer for name, layer in module.named_modules() if isinstance(layer, LAYERS) and name.split(".")[0] != "head"]
