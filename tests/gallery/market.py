"""A market for the gallery: web alone, on a home of its own, filled by `stage`. No worker runs, so nothing moves on while it is looked at."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.journeys import models
from tests.journeys.site import Site

BUILD = "import json, pathlib; from tests.gallery import stage; pathlib.Path({path!r}).write_text(json.dumps(stage.build()))"


@contextmanager
def opened(folder: Path, *, demo: bool = False) -> Iterator[tuple[str, dict[str, Any]]]:
    """(address, stage) of a market that the cast has filled; with the whole demo catalog beside it where asked."""
    with served(folder, BUILD, demo=demo) as (url, stage):
        yield url, stage | _files(folder)


@contextmanager
def served(folder: Path, build: str, *, demo: bool = False) -> Iterator[tuple[str, dict[str, Any]]]:
    """(address, what `build` wrote to {path}) of a market in `folder`; one that was filled there before is taken as it is."""
    home, path = folder / "home", folder / "stage.json"
    home.mkdir(parents=True, exist_ok=True)
    site = Site(home, MOORAGE_LOG_LEVEL="ERROR")
    try:
        site.manage("migrate", "--verbosity", "0")
        if not path.exists():
            site.manage("createcachetable")
            if demo:
                site.manage("seed_demo", seconds=1800)
            site.manage("shell", "-v", "0", "-c", build.format(path=str(path)), seconds=900)
        site.start_web()
        yield site.url, json.loads(path.read_text())
    finally:
        site.stop()


def _files(folder: Path) -> dict[str, str]:
    """What a visitor has on disk."""
    frame = models.part(0.05, 0.95)
    made = {"csv": folder / "nuclei.csv", "csv_renamed": folder / "renamed.csv", "csv_broken": folder / "broken.csv", "offer_pickle": folder / "model.pkl"}
    frame.to_csv(made["csv"], index=False)
    frame.rename(columns={"radius": "Radius (mm)", "texture": "grain"}).to_csv(made["csv_renamed"], index=False)
    made["csv_broken"].write_text("a,b\n1,2\n1,2,3\n4,5\n")
    import pickle

    made["offer_pickle"].write_bytes(pickle.dumps({"not": "welcome"}))
    files = models.write(folder, "nuclei-of-nell", models.part(0.2, 0.9), "skops")
    for name, file in (("manifest", "learnware.json"), ("specification", "specification.json")):
        (folder / file).write_bytes(files[name])
        made[f"offer_{name}"] = folder / file
    return {name: str(path) for name, path in made.items()} | {"offer_model": str(files["model"])}
