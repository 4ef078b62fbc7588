"""The families of the demo: a folder is a kind, a file is a member. Each file defines FAMILY.

Importing one loads no data and no heavy library: rows are functions. All data ship in packages that requirements.txt
pins, and no row of a task has been seen by any offer.
"""

from functools import lru_cache
from importlib import import_module
from pathlib import Path

from marketplace.demo.offers import Family, Task


def names() -> list[str]:
    return sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))


@lru_cache
def family(name: str) -> Family:
    return import_module(f"marketplace.demo.recipes.{name}").FAMILY


def every() -> list[Family]:
    return [family(name) for name in names()]


def tasks() -> dict[str, tuple[Family, Task]]:
    """All tasks by name, in the order of their families."""
    return {task.name: (family, task) for family in every() for task in family.tasks}
