"""Architectures that a safetensors file may name: a folder is a kind, a file is a member.

Each file defines `SCHEMA` (its typed, bounded configuration), `parameters(config) -> int`, counted before anything is
built, and `build(config) -> torch.nn.Module`, which maps (n, d) float32 to (n, outputs). The last layer is `head`.
"""

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from reuse.errors import ReuseError

MAX_PARAMETERS = 200_000_000
REGRESSION = {"output_location": (float, -1e12, 1e12, 0.0), "output_scale": (float, 1e-12, 1e12, 1.0)}


def names() -> list[str]:
    """The registered architectures."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))


def member(name: str) -> ModuleType:
    """An architecture's module; raises ReuseError for one that is not registered."""
    if name not in names():
        raise ReuseError("unknown-architecture", f"The architecture must be one of {', '.join(names())}; got {name!r}.")
    return import_module(f"reuse.architectures.{name}")


def read_config(name: str, config: Any) -> dict[str, Any]:
    """The configuration with its defaults; raises ReuseError for unknown, missing or wrong values.

    A schema entry is (type, least, most[, default]), or a tuple of choices; a list of int is (list, least, most, length).
    """
    schema = member(name).SCHEMA | REGRESSION
    if not isinstance(config, dict) or set(config) - set(schema):
        raise ReuseError("wrong-architecture", f"{name} has the settings {', '.join(schema)}; got {sorted(config) if isinstance(config, dict) else config!r}.")
    found = {}
    for key, rule in schema.items():
        if rule[0] is str:
            value = config.get(key, rule[1])
            good = value in rule[1:]
        elif rule[0] is list:
            value = config.get(key, [])
            good = isinstance(value, list) and len(value) <= rule[3] and all(type(v) is int and rule[1] <= v <= rule[2] for v in value)
        elif rule[0] is bool:
            value = config.get(key, rule[1])
            good = isinstance(value, bool)
        else:
            if key not in config and len(rule) < 4:
                raise ReuseError("wrong-architecture", f"{name} needs {key}.")
            value = config.get(key, rule[3] if len(rule) > 3 else None)
            numeric = type(value) is int if rule[0] is int else isinstance(value, int | float) and not isinstance(value, bool)
            good = numeric and rule[1] <= value <= rule[2]
        if not good:
            raise ReuseError("wrong-architecture", f"{key} of {name} is out of its bounds {rule[1:]}; got {value!r}.")
        found[key] = value
    return found


def parameters(name: str, config: dict[str, Any]) -> int:
    """How many numbers the model would hold; raises ReuseError over the budget, before anything is built."""
    count = member(name).parameters(read_config(name, config))
    if count > MAX_PARAMETERS:
        raise ReuseError("too-large", f"A model may hold {MAX_PARAMETERS:,} numbers; this configuration asks for {count:,}.")
    return count


def build(name: str, config: dict[str, Any]) -> Any:
    """A fresh module with `.architecture` = {"name", "config"}; weights as torch draws them."""
    parameters(name, config)
    checked = read_config(name, config)
    module = member(name).build(checked)
    module.architecture = {"name": name, "config": checked}
    return module
