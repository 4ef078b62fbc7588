"""The browser's description beside Python's: the same table, the same space, the same numbers. In Node where it is, and always in Chromium."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import specs
from specs.packed import unpack
from tests.conformance import make
from tests.journeys.browser import opened

HERE = Path(__file__).parent
DESCRIBE = HERE.parents[1] / "marketplace" / "static" / "moorage" / "describe"
WORDS = DESCRIBE.parent / "words.js"
VECTORS = json.loads(make.FILE.read_text())
CASES = pytest.mark.parametrize("name", sorted(VECTORS))


def in_node(folder: Path) -> dict:
    shutil.copytree(DESCRIBE, folder / "describe")
    shutil.copy(WORDS, folder)
    shutil.copy(HERE / "conform.js", folder)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "run.js").write_text(
        'import { readFileSync } from "node:fs"; import { File } from "node:buffer"; globalThis.File ??= File; const { conform } = await import("./conform.js");'
        "process.stdout.write(JSON.stringify(await conform(JSON.parse(readFileSync(process.argv[2])))));"
    )
    done = subprocess.run(["node", "run.js", str(make.FILE)], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def in_chromium() -> dict:
    files = {"/": "<!doctype html><title>Conformance</title>", "/conform.js": (HERE / "conform.js").read_text()}
    files |= {f"/describe/{path.name}": path.read_text() for path in DESCRIBE.glob("*.js")}
    files["/words.js"] = WORDS.read_text()

    def answer(route) -> None:
        path = route.request.url.removeprefix("http://conformance.test")
        route.fulfill(body=files[path], content_type="text/javascript" if path.endswith(".js") else "text/html")

    with opened() as browser:
        page = browser.new_page()
        page.route("**/*", answer)
        page.goto("http://conformance.test/")
        return page.evaluate("async (vectors) => (await import('/conform.js')).conform(vectors)", VECTORS)


# Node is a convenience of the developer's machine; Chromium is what people have, and always there.
@pytest.fixture(scope="module", params=["chromium", *(["node"] if shutil.which("node") else [])])
def browser(request, tmp_path_factory):
    return in_node(tmp_path_factory.mktemp("node")) if request.param == "node" else in_chromium()


@CASES
def test_python_still_makes_what_the_file_says(name):
    said, made = VECTORS[name], make.case(*make.tables()[name])
    assert made["csv"] == said["csv"] and made["columns"] == said["columns"] and made["space_id"] == said["space_id"]
    assert unpack(made["coordinates"], "x", "float64", 2) == pytest.approx(unpack(said["coordinates"], "x", "float64", 2), abs=1e-9)
    assert made["reduced"] == pytest.approx(said["reduced"], abs=1e-5)


@CASES
def test_columns_and_coordinates_are_the_same(browser, name):
    said, made = VECTORS[name], browser[name]
    assert made["columns"] == said["columns"]
    head, sums = unpack(said["coordinates"], "x", "float64", 2), unpack(said["sums"], "x", "float64", 1)
    assert np.array(made["coordinates"]).reshape(head.shape) == pytest.approx(head, abs=1e-6)
    assert np.array(made["sums"]) == pytest.approx(sums, abs=1e-6 * made["n"])


@CASES
def test_kernel_sums_are_the_same(browser, name):
    said, made = VECTORS[name], browser[name]
    assert made["between"] == pytest.approx(said["between"], rel=1e-9, abs=1e-12)
    assert made["toRows"] == pytest.approx(said["to_rows"], rel=1e-9, abs=1e-12)


@CASES
def test_the_browsers_file_is_read_without_a_change_and_as_near_to_the_rows(browser, name):
    said, made = VECTORS[name], browser[name]
    data = made["specification"].encode()
    spec = specs.Specification.from_bytes(data)
    assert spec.to_bytes() == data and spec.space.id == said["space_id"] and spec.rkme.generator["name"] == "moorage-browser"
    X = spec.space.encode(make.frame_of(said["csv"]))
    assert spec.rkme.n == len(X) and 1 <= spec.rkme.size <= said["points"]
    reached = make.squared_mmd_to(spec.rkme, X)
    assert reached == pytest.approx(said["reduced"], abs=1e-4)
    assert reached == pytest.approx(spec.rkme.fit, rel=0.6, abs=1e-9)
    if len(X) >= 10 * said["points"]:
        assert (spec.rkme.weights * len(X)).min() >= 5 - 1e-9


@CASES
def test_the_same_table_and_seed_give_the_same_bytes(browser, name):
    assert browser[name]["isSteady"]


@pytest.mark.parametrize("name", ["wine", "diamonds"])
def test_what_it_gives_away_is_about_what_python_finds(browser, name):
    assert browser[name]["gap"] == pytest.approx(VECTORS[name]["gap"], rel=0.3)
