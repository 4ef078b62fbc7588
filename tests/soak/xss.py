"""Hostile cards, file names and specifications in a real browser: no dialog, no request that leaves the market, no script that ran.

    python -m tests.soak.xss

38 cards as the pages of 38 learnwares, 32 file names dropped on the upload page, and specifications and manifests whose every free text is markup,
on the pages of the learnware, its space, explore, search and the match. Prints one JSON object and exits 1 on any surprise.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.journeys import models
from tests.journeys.browser import opened
from tests.journeys.site import PASSWORD, Site
from tests.soak import corpus, hostile

MARKUP = (
    "<script>window.ran=1;alert(1)</script>", "<img src=x onerror='window.ran=1;alert(1)'>", "\"><svg onload=window.ran=1>", "'-alert(1)-'", "{{constructor.constructor('alert(1)')()}}", "</script><script>window.ran=1</script>",
    "javascript:alert(1)", "<img src=https://evil.example/x.png>",
)
# Set before any script of the page: what asks to be heard, and what was run.
WATCH = "window.ran = 0; for (const what of ['alert', 'confirm', 'prompt', 'print']) window[what] = () => { window.ran = 1; };"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=1, help="take each n-th of them only")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="xss-") as folder:
        site = Site(Path(folder))
        site.prepare("alice", "bob")
        try:
            site.start_web()
            site.start_worker()
            found = walk(site, Path(folder), asked.every)
        finally:
            site.stop()
    print(json.dumps(found))
    return 1 if found["dialogs"] or found["ran"] or found["left_the_market"] or found["not_shown"] else 0


def walk(site: Site, folder: Path, every: int) -> dict[str, Any]:
    client = site.client(site.token("alice", ["read", "upload", "run"]))
    hostile.warm(client)
    cards = [case for case in corpus.cards() if not case.name.startswith("long")][::every]
    marked = [specified(text, number) for number, text in enumerate(MARKUP)][::every]
    paths = [f"/learnwares/alice/{json.loads(case.manifest)['name']}/" for case in (*cards, *marked) if hostile.offered(client, case)["where"] == "usable"]
    seen: dict[str, list[str]] = {"dialogs": [], "left_the_market": [], "ran": []}
    with opened() as browser:
        context = browser.new_context()
        context.add_init_script(WATCH)
        page = context.new_page()
        page.on("dialog", lambda dialog: (seen["dialogs"].append(dialog.message), dialog.dismiss()))
        page.on("request", lambda sent: None if sent.url.startswith((site.url, "data:", "blob:")) else seen["left_the_market"].append(sent.url))

        def look(path: str) -> bool:
            answer = page.goto(site.url + path)
            page.wait_for_load_state("networkidle")
            if page.evaluate("window.ran"):
                seen["ran"].append(path)
            return answer is not None and answer.status == 200

        not_shown = [path for path in (*paths, "/explore/", "/explore/?q=%3Cscript%3Ealert(1)%3C/script%3E", "/") if not look(path)]
        page.goto(site.url + "/accounts/sign-in/")
        page.fill("input[name=username]", "alice")
        page.fill("input[name=password]", PASSWORD)
        page.click("main button")
        page.wait_for_url(lambda address: "sign-in" not in address)
        not_shown += [path for path in ("/mine/", "/upload/") if not look(path)]
        names = [name for name in corpus.FILE_NAMES if name][::every]
        dropped(page, names)
        if page.evaluate("window.ran"):
            seen["ran"].append("/upload/")
        context.close()
    return {"cards": len(cards), "specifications": len(marked), "names": len(names), "pages": len(paths) + 5, "not_shown": not_shown, **{key: value[:20] for key, value in seen.items()}}


def specified(text: str, number: int) -> corpus.Case:
    """An offer whose title, target, classes and the texts of whose specification are markup."""
    case = corpus.simple(f"marked {number}", "specifications", slug=f"marked-{number}", classes=(f"{text}", "other"), title=text[:160], card=text)
    document = json.loads(case.specification)
    document["semantic"] |= {"name": text[:80], "description": text}
    manifest = json.loads(case.manifest)
    manifest["output"]["target"] = text[:100]
    manifest["evaluation"] = {"metric": text[:40], "value": 1.0, text[:40]: text}
    manifest["scenario"] = [text[:40]]
    return replace(case, manifest=json.dumps(manifest).encode(), specification=json.dumps(document | {"semantic": {k: v for k, v in document["semantic"].items() if k != "target"}}).encode())


def dropped(page: Any, names: list[str]) -> None:
    """Files of these names given to the upload page, as if chosen by hand: their names are shown there."""
    field = page.locator("input[type=file]").first
    for name in names:
        field.set_input_files({"name": name.replace("\0", "").replace("/", "_") or "x", "mimeType": "application/octet-stream", "buffer": b"\x80\x04hello"})
        page.wait_for_timeout(50)


if __name__ == "__main__":
    assert models.space()
    sys.exit(main())
