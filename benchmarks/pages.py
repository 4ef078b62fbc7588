"""Explore, the map and the home page over a large catalog: processor time of a request, as a stranger sees it.

A hundred thousand learnwares in SQLite, rows made directly: their specifications are one file, their places drawn by chance, one in fifty is private. Each page
is asked for through the whole stack of middleware; the first request, which fills the shelf (marketplace/catalog/shelf.py), has a line of its own.
"""

import argparse
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import Row, main

HOME = Path(__file__).resolve().parent.parent / "var" / "benchmarks-pages"
MANY, FEW = 100_000, 10_000
LIMIT_MS = 300.0
ROUNDS = 9
SPACES, OWNERS, BATCH = 200, 300, 2_000
WORDS = "harbour tide pilot cargo anchor beacon vessel lantern current signal mast rudder ballast chart compass keel".split()


def run(arguments: argparse.Namespace) -> list[Row]:
    n = FEW if arguments.quick else MANY
    home = HOME / str(n)
    _open(home, n)
    from django.db import connection
    from django.test import Client

    from marketplace.catalog import mapping, shelf

    client = Client(headers={"host": "127.0.0.1"})
    case = f"{n:,} learnwares"
    begun = time.process_time()
    shelf.forget()
    client.get("/explore/")
    rows = [Row(case, "first request: the shelf is read", "ms", 1e3 * (time.process_time() - begun))]
    polygon = "0.3,0.3;0.6,0.3;0.6,0.6;0.3,0.6"
    pages: dict[str, str] = {
        "explore": "/explore/",
        "explore, two words": "/explore/?q=harbour+regression",
        "explore, a rare word": "/explore/?q=model-4217",
        "explore, two letters": "/explore/?q=ke",
        "explore, two facets": "/explore/?task=regression&licence=MIT&licence=Apache-2.0",
        "explore, most used": "/explore/?sort=used",
        "explore, by name": "/explore/?sort=name",
        "explore, deep page": f"/explore/?page={n // 24}",
        "explore, table": "/explore/?view=table",
        "explore, map with a lasso": f"/explore/?view=map&lasso={polygon}",
        "the map's points": "/api/v1/map",
        "the map's points, two facets": "/api/v1/map?task=regression&licence=MIT",
        "home": "/",
        "REST, learnwares": "/api/v1/learnwares?q=harbour",
    }
    for name, address in pages.items():
        size = len(_get(client, address).content)
        rows.append(Row(case, f"{name}: processor", "ms", _median(lambda at=address: _get(client, at)), limit=LIMIT_MS, note=f"{size / 1e3:,.0f} kB"))
    from marketplace.accounts.models import User

    client.force_login(User.objects.get(username="owner-7"))
    rows.append(Row(case, "explore, signed in: processor", "ms", _median(lambda: _get(client, "/explore/")), limit=LIMIT_MS, note="what others keep private is asked of the database"))
    rows.append(Row(case, "islands packed anew: processor", "ms", _median(lambda: mapping.pack(_radii())), note=f"{SPACES} of them"))
    connection.close()
    return rows


def _get(client: Any, address: str) -> Any:
    answer = client.get(address)
    assert answer.status_code == 200, f"{address} answers {answer.status_code}"
    return answer


def _median(act: Callable[[], Any]) -> float:
    """Milliseconds of this process's processor time, the median of ROUNDS."""
    took = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        act()
        took.append(time.process_time() - begun)
    return 1e3 * float(np.median(took))


def _open(home: Path, n: int) -> None:
    """Django on a market of n learnwares under `home`, made where it is not there (ten minutes for 100,000: the index of words takes most of it)."""
    os.environ["MOORAGE_HOME"] = str(home)
    os.environ["DJANGO_SETTINGS_MODULE"] = "marketplace.settings"
    os.environ.setdefault("MOORAGE_LOG_LEVEL", "ERROR")
    os.environ.setdefault("MOORAGE_CACHE_URL", "locmem://")
    os.environ |= {"MOORAGE_RATE_SEARCHES": "1000000/min", "MOORAGE_MATCH_MB_HOUR": "1000000"}
    import django

    django.setup()
    from django.core.management import call_command

    ready = home / "ready"
    if not ready.exists():
        for path in home.glob("db.sqlite3*"):
            path.unlink()
        shutil.rmtree(home / "storage", ignore_errors=True)
        call_command("migrate", verbosity=0)
        _fill(n)
        ready.touch()
    else:
        call_command("migrate", verbosity=0)
    from marketplace.catalog import tasks

    tasks.count_rows()  # as a worker's clock does every hour


def _fill(n: int) -> None:
    from django.db import connection, transaction

    rng = np.random.default_rng(0)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous=OFF")
    spaces, owners, model, specification = _frames(rng)
    for start in range(0, n, BATCH):
        with transaction.atomic():
            _batch(rng, range(start, min(n, start + BATCH)), spaces, owners, model, specification)


def _frames(rng: np.random.Generator) -> tuple[list, list, list, Any]:
    import specs
    from marketplace.accounts.models import User
    from marketplace.catalog import artifacts, mapping
    from marketplace.catalog.models import Artifact, Island, Space

    founded = [specs.Space.from_table({"depth": rng.normal(i, 1, 60), "speed": rng.normal(size=60)}, name=f"waters {i}") for i in range(SPACES)]
    spaces = Space.objects.bulk_create([Space(pk=s.id, name=s.name, kind=s.kind, document=s.to_json()) for s in founded])
    owners = User.objects.bulk_create([User(username=f"owner-{i}", password="!") for i in range(OWNERS)])
    rkme = specs.describe({"depth": rng.normal(size=60), "speed": rng.normal(size=60)}, founded[0], points=10)
    specification = artifacts.row(artifacts.put(specs.Specification(founded[0], rkme, {"name": "waters"}).to_bytes()))
    models = Artifact.objects.bulk_create([Artifact(sha256=f"{i:064x}", size=size) for i, size in enumerate((20_000, 400_000, 3_000_000, 45_000_000, 300_000_000))])
    radii = _radii()
    centres = mapping.pack(radii)
    unit = 0.5 / float(np.abs(centres).max() + radii.max())
    Island.objects.bulk_create([
        Island(space=space, x=0.5 + unit * x, y=0.5 + unit * y, radius=unit * r, size=1, projection=b"") for space, (x, y), r in zip(spaces, centres, radii, strict=True)
    ])
    return spaces, owners, models, specification


def _radii() -> np.ndarray:
    """Room for powers of two, as the map gives it: few large islands, many small ones."""
    return np.sort(np.sqrt(2.0 ** np.minimum(10, np.arange(SPACES) % 23 // 2)))[::-1]


def _batch(rng: np.random.Generator, numbers: range, spaces: list, owners: list, models: list, specification: Any) -> None:
    from marketplace.catalog.models import Island, Learnware, Place, Version
    from reuse.manifest import LICENCES

    islands = {island.pk: island for island in Island.objects.all()}
    learnwares = Learnware.objects.bulk_create([
        Learnware(owner=owners[rng.integers(OWNERS)], name=f"model-{i}", visibility="private" if i % 50 == 0 else "public", is_gated=i % 20 == 0,
                  likes_count=int(rng.integers(40)))
        for i in numbers
    ])
    versions, places = [], []
    for i, learnware in zip(numbers, learnwares, strict=True):
        space = spaces[min(SPACES - 1, int(rng.exponential(30)))]
        task = ("classification", "regression")[rng.integers(2)]
        words = " ".join(WORDS[k] for k in rng.integers(len(WORDS), size=40))
        licence, kind = LICENCES[rng.integers(len(LICENCES))], ("safetensors", "skops", "onnx")[rng.integers(3)]
        output = {"kind": "value", "target": f"target {i % 90}", "unit": None} if task == "regression" else {"kind": "classes", "target": f"target {i % 90}", "classes": ["a", "b"]}
        versions.append(Version(
            learnware=learnware, number="1.0.0", title=f"Model {i}", status="usable", is_latest=True, space=space, task=task, target=f"target {i % 90}", format=kind,
            licence=licence, merge_family="f" * 64 if kind == "safetensors" else "", model=models[rng.integers(len(models))], specification=specification,
            manifest={"output": output, "model": {"file": "model.bin"}, "card": words * 4, "evaluation": {}}, report={"parameters": int(10 ** rng.uniform(2, 8))},
            words=f"{learnware.owner.username} model-{i} {task} {kind} {licence.lower()} {words}", downloads=int(rng.integers(500)),
        ))
        island = islands[space.pk]
        turn, out = rng.uniform(0, 2 * np.pi), island.radius * 0.9 * np.sqrt(rng.uniform())
        places.append(Place(version=versions[-1], x=island.x + out * np.cos(turn), y=island.y + out * np.sin(turn)))
    Version.objects.bulk_create(versions)
    Place.objects.bulk_create(places)


if __name__ == "__main__":
    main("pages", run, doc=__doc__, packages=("django", "numpy"))
