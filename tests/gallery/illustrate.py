"""python -m tests.gallery.illustrate [--market FOLDER] [NAME …]: the pictures of docs/images/ anew, from a market that holds the demo catalog.

Each is a part of a page as a visitor meets it: what `SCENES` names, made wide and light, at twice the pixels, then reduced to a palette so that none is large.
"""

import argparse
import io
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images"
MOST_BYTES, WIDTH = 150_000, 1180
BUILD = "import json, pathlib; from tests.gallery import illustrate; pathlib.Path({path!r}).write_text(json.dumps(illustrate.build()))"


def build() -> dict[str, Any]:
    """Ria's match and her job on it, by the services and the workers' own code; runs inside `manage.py shell`."""
    from django.conf import settings
    from django.core.files.uploadedfile import SimpleUploadedFile
    from django.core.management import call_command
    from django.test import Client

    import specs
    from marketplace.accounts.models import User
    from marketplace.catalog.models import Space, Version
    from marketplace.demo import recipes, seeding
    from marketplace.jobs import methods
    from marketplace.jobs import services as jobs
    from marketplace.jobs import worker as jobs_worker
    from marketplace.matching import services as matching

    methods.announce()
    ria = User.objects.get(username=seeding.REQUESTER)
    family, task = recipes.tasks()["diamonds-estate"]
    at_hand, _ = task.rows()
    version = Version.objects.latest().filter(learnware__name__startswith="diamonds-").first()
    space = specs.Space.from_json(Space.objects.get(pk=version.space_id).document)
    words = {"name": "stones of an estate", "description": "", "task": family.task, "target": family.target}
    rkme = specs.describe(at_hand.drop(columns=family.target), space)
    match = matching.match(user=ria, specification=specs.Specification(space, rkme, words).to_bytes(), filters={})
    labelled = SimpleUploadedFile("labelled.csv", at_hand[: task.labels].to_csv(index=False).encode(), "text/csv")
    job = jobs.request_reuse(owner=ria, match=match, method="auto", target=family.target, data=labelled)
    jobs_worker.run(job.pk)
    call_command("lay_out_map", verbosity=0)
    client = Client()
    client.force_login(ria)
    table = Path(settings.HOME) / "estate.csv"
    at_hand.to_csv(table, index=False)
    learnwares = [version.reference for version in Version.objects.latest().filter(space=version.space).order_by("learnware__name")[:3]]
    return {"session": client.cookies[settings.SESSION_COOKIE_NAME].value, "cookie": settings.SESSION_COOKIE_NAME, "match": str(match.pk), "job": str(job.pk), "table": str(table), "three": learnwares}


def _described(page: Any, held: dict[str, Any]) -> None:
    page.set_input_files("[data-part=file]", held["table"])
    page.wait_for_selector("[data-part=outline]:not([hidden])", timeout=120_000)


def _mapped(page: Any, held: dict[str, Any]) -> None:
    page.wait_for_selector(r"text=/learnwares on [0-9]+ island/")
    page.wait_for_timeout(500)  # the names of the islands are set down after the first drawing


# Name: (address, what makes the state, from the top of the first selector to the foot of the second).
SCENES = {
    "match": ("/matches/{match}/", None, "#mixture", "#mixture"),
    "regions": ("/matches/{match}/", None, "#heat", "#heat"),
    "describe": ("/match/", _described, "#describe", "[data-part=outline]"),
    "job": ("/jobs/{job}/", None, "[aria-labelledby=board]", "[aria-labelledby=board] .table-wide"),
    "map": ("/explore/?view=map", _mapped, "#map", "#map"),
    "compare": ("/compare/?{three}", None, "main h1", "main .sheet:has(table)"),
}


def draw(page: Any, url: str, held: dict[str, Any], name: str) -> bytes:
    """One scene as PNG bytes of at most MOST_BYTES."""
    from PIL import Image

    address, act, first, last = SCENES[name]
    page.goto(url + address.format(**held | {"three": "&".join(f"l={reference}" for reference in held["three"])}))
    if act is not None:
        act(page, held)
    page.wait_for_function("() => !document.querySelector('.htmx-request')")
    top, foot = page.locator(first).first.bounding_box(), page.locator(last).first.bounding_box()
    left, right = min(top["x"], foot["x"]), max(top["x"] + top["width"], foot["x"] + foot["width"])
    above = 2 if first.endswith("h1") else 12  # the way back stands close above a heading
    clip = {"x": max(left - 12, 0), "y": max(top["y"] - above, 0), "width": right - left + 24, "height": foot["y"] + foot["height"] - top["y"] + above + 12}
    whole = Image.open(io.BytesIO(page.screenshot(full_page=True, clip=clip, animations="disabled"))).convert("RGB")
    if whole.width > WIDTH:
        whole = whole.resize((WIDTH, round(whole.height * WIDTH / whole.width)), Image.Resampling.LANCZOS)
    for colours in (255, 128, 64, 32):
        packed = io.BytesIO()
        whole.quantize(colours, dither=Image.Dither.NONE).save(packed, "PNG", optimize=True)
        if len(packed.getvalue()) <= MOST_BYTES:
            break
    return packed.getvalue()


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m tests.gallery.illustrate", description=__doc__)
    asked.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SCENES)}; all where none is named")
    asked.add_argument("--market", type=Path, help="keep the market in this folder, or take the one that an earlier run left there")
    given = asked.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")
    import django

    django.setup()
    from tests.gallery import market
    from tests.journeys.browser import opened

    with tempfile.TemporaryDirectory() as scratch, market.served(given.market or Path(scratch), BUILD, demo=True) as (url, held), opened() as browser:
        context = browser.new_context(viewport={"width": 1120, "height": 800}, color_scheme="light", reduced_motion="reduce", device_scale_factor=2)
        context.add_cookies([{"name": held["cookie"], "value": held["session"], "url": url}])
        page = context.new_page()
        for name in given.names or SCENES:
            (IMAGES / f"{name}.png").write_bytes(data := draw(page, url, held, name))
            print(json.dumps({"picture": f"docs/images/{name}.png", "bytes": len(data)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
