"""The demo's market as benchmarks use it: seeded once in a home of its own, matched and planned by the product's own code."""

import contextlib
import io
import os
import shutil
from pathlib import Path
from typing import Any

HOME = Path(__file__).resolve().parent.parent / "var" / "benchmarks"


def open_market() -> None:
    """Set Django up on a home of the benchmarks' own, and seed it where it is empty (about a minute)."""
    os.environ["MOORAGE_HOME"] = str(HOME)
    os.environ["DJANGO_SETTINGS_MODULE"] = "marketplace.settings"
    os.environ.setdefault("MOORAGE_LOG_LEVEL", "ERROR")
    import django

    django.setup()
    from marketplace.demo.starting import make_ready

    with contextlib.redirect_stdout(io.StringIO()):
        make_ready()


def matched(name: str) -> Any:
    """The market's answer for a task of the demo, as its page would show it."""
    import specs
    from marketplace.accounts.models import User
    from marketplace.catalog.models import Space
    from marketplace.demo import recipes
    from marketplace.matching import services

    family, task = recipes.tasks()[name]
    at_hand, _ = task.rows()
    frame = at_hand.drop(columns=family.target)
    space = next(s for row in Space.objects.all() if (s := specs.Space.from_json(row.document)).name == family.space)
    requirement = specs.Specification(space, specs.describe(frame, space), {"name": task.title})
    return services.match(user=User.objects.get(username="ria"), specification=requirement.to_bytes(),
                          filters={"task": family.task, "target": family.target})


def plan(match: Any, method: str, folder: Path, *, labelled: Any = None, target: str = "", seed: int = 0) -> Any:
    """reuse.Plan for a match: members in `folder`, and labelled rows (DataFrame) where given."""
    import specs
    from marketplace.catalog import artifacts
    from marketplace.jobs import members as choosing
    from marketplace.jobs import worker
    from reuse.engine import Labelled, Plan
    from specs.columns import numbers, raw_columns, texts

    chosen = choosing.of_match(match, match.owner)
    base = choosing.base_of(chosen, match.owner)
    space, output = specs.Space.from_json(match.space.document), choosing.agree(chosen)
    shutil.rmtree(folder, ignore_errors=True)
    data = None
    if labelled is not None:
        table = raw_columns(labelled)
        columns = {c.name: numbers(table[c.name], c.name) if c.type == "numeric" else texts(table[c.name]) for c in space.columns}
        y = labelled[target].to_numpy()
        data = Labelled(columns, y.astype(str) if "classes" in output else y.astype(float))
    kind, _, name = method.partition("/")
    return Plan(
        members=[worker._member(str(i), member, folder) for i, member in enumerate(chosen)], kind=kind, method=name or kind, params={}, space=space,
        output=output, requirement=specs.Specification.from_bytes(artifacts.read(match.specification_id)).rkme, data=data,
        base=worker._member("base", choosing.Chosen(base, 0.0), folder) if base else None, seed=seed,
    )
