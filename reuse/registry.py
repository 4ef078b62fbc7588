"""Every method, read from its file without importing it: the web process knows them and loads no torch.

A folder is a kind, a file a member, and the file's name (with hyphens) the method's. The docstring's first line is
the title that users see; the keyword-only arguments of its function are the parameters they may set.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from reuse.errors import ReuseError

ROOT = Path(__file__).parent
FUNCTIONS = {"ensemble": ("weigh", "fit", "answer"), "merge": ("merge",), "finetune": ("tune",), "distil": ("fit",), "auto": ("choose",), "scratch": ("fit",)}
ALONE = ("auto", "scratch", "distil")  # kinds of one member, which is a file of the package
TYPES = {"int": int, "float": float, "bool": bool, "str": str}


@dataclass(frozen=True)
class Method:
    """A way of reuse; `params` maps each name to {"type", "default"}."""

    kind: str
    name: str
    title: str
    doc: str
    params: dict[str, dict[str, Any]]
    needs_labels: bool
    needs_family: bool
    needs_statistics: str = ""

    @property
    def address(self) -> str:
        """kind/name, or the kind alone where it has one member."""
        return self.kind if self.kind == self.name else f"{self.kind}/{self.name}"

    @property
    def module(self) -> str:
        """The module that does it, for importlib."""
        return f"reuse.{self.kind}" if self.kind in ALONE else f"reuse.{self.kind}.{self.name.replace('-', '_')}"

    def read_params(self, given: dict[str, Any]) -> dict[str, Any]:
        """The parameters with their defaults; raises ReuseError for unknown names and wrong types."""
        unknown = sorted(set(given) - set(self.params))
        if unknown:
            known = ", ".join(self.params) or "no parameters"
            raise ReuseError("unknown-parameter", f"{self.address} has {known}; got {unknown[0]!r}.")
        values = {}
        for name, rule in self.params.items():
            value = given.get(name, rule["default"])
            wanted = TYPES[rule["type"]]
            if wanted is float and type(value) is int:
                value = float(value)
            if type(value) is not wanted or (wanted is float and not abs(value) < 1e9):
                raise ReuseError("wrong-parameter", f"{name} of {self.address} must be of type {rule['type']}; got {value!r}.")
            values[name] = value
        return values


@lru_cache(maxsize=1)
def every() -> list[Method]:
    """All methods, by kind and name."""
    return sorted(_read(), key=lambda method: (method.kind, method.name))


def find(address: str) -> Method:
    """The method at an address; raises ReuseError that names those there are."""
    for method in every():
        if method.address == address:
            return method
    raise ReuseError("unknown-method", f"A method must be one of {', '.join(m.address for m in every())}; got {address!r}.")


def _read() -> Iterator[Method]:
    for kind in FUNCTIONS:
        if kind in ALONE:
            yield _method(kind, kind, ROOT / f"{kind}.py")
        else:
            for path in sorted((ROOT / kind).glob("[a-z]*.py")):
                yield _method(kind, path.stem.replace("_", "-"), path)


def _method(kind: str, name: str, path: Path) -> Method:
    tree = ast.parse(path.read_text())
    doc = ast.get_docstring(tree) or ""
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    constants = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.startswith("NEEDS_")
    }
    chosen = next((functions[wanted] for wanted in FUNCTIONS[kind] if wanted in functions), None)
    if chosen is None or not doc:
        raise ReuseError("broken-method", f"{path.name} must have a docstring and define {' or '.join(FUNCTIONS[kind])}.")
    title, _, rest = doc.partition("\n")
    return Method(
        kind=kind, name=name, title=title.rstrip("."), doc=rest.strip(), params=_params(chosen, path),
        needs_labels=constants.get("NEEDS_LABELS", kind in ("finetune", "scratch") or chosen.name == "fit"),
        needs_family=kind == "merge", needs_statistics=constants.get("NEEDS_STATISTICS", ""),
    )


def _params(function: ast.FunctionDef, path: Path) -> dict[str, dict[str, Any]]:
    found = {}
    for argument, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True):
        kind = argument.annotation.id if isinstance(argument.annotation, ast.Name) else None
        if kind not in TYPES or default is None:
            raise ReuseError("broken-method", f"{path.name}: the parameter {argument.arg} needs a plain type and a default.")
        found[argument.arg] = {"type": kind, "default": ast.literal_eval(default)}
    return found
