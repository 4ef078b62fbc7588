"""What `pip install .` brings: few packages, and none that a search has no need of."""

import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

MOST = 15
PROJECT = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text())["project"]


def brought(requirements: list[str]) -> dict[str, str]:
    """Every package that these bring, by the metadata of what is installed here: name -> version. Extras are followed where they are named."""
    found: dict[str, str] = {}
    open_ones = [Requirement(text) for text in requirements]
    while open_ones:
        wanted = open_ones.pop()
        name = canonicalize_name(wanted.name)
        there = distribution(name)
        assert wanted.specifier.contains(there.version, prereleases=True), f"{wanted} is not met by {there.version}"
        if name in found and not wanted.extras:
            continue
        found[name] = there.version
        for text in there.requires or []:
            below = Requirement(text)
            if below.marker is None or any(below.marker.evaluate({"extra": extra}) for extra in (wanted.extras or {""})):
                open_ones.append(below)
    return found


def test_the_client_brings_at_most_fifteen_packages_itself_counted():
    found = brought(PROJECT["dependencies"])
    assert len(found) + 1 <= MOST, sorted(found)


@pytest.mark.parametrize("heavy", ["torch", "scikit-learn", "onnxruntime", "skops", "numba", "pyarrow", "django", "pydantic"])
def test_what_is_heavy_is_an_extra_or_nothing_of_the_clients(heavy):
    assert heavy not in brought(PROJECT["dependencies"])


def test_every_package_that_the_client_imports_is_one_that_it_brings():
    import ast

    root = Path(__file__).resolve().parents[2]
    ours = {"moorage", "specs", "reuse"}
    extras = {"torch", "pyarrow", "sklearn", "joblib"}  # asked for by name, with the command that installs them
    import sys

    names = set()
    for path in (root / "moorage").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names.add(node.module.partition(".")[0])
    foreign = names - ours - extras - set(sys.stdlib_module_names)
    assert foreign <= {canonicalize_name(Requirement(text).name) for text in PROJECT["dependencies"]}
