"""A table is dropped on /match/ and described there: nothing but names, types and the outline leaves, whatever is wrong is said, and it ends in a match."""

import json

import pytest

import specs
from tests.journeys import models
from tests.journeys.browser import Visitor, opened

DONE = "[data-part=outline]:not([hidden])"


@pytest.fixture(scope="module")
def browser():
    with opened() as browser:
        yield browser


@pytest.fixture
def visitor(browser, site):
    made = []

    def come(**window) -> Visitor:
        made.append(Visitor(browser, site.url, **window))
        made[-1].go("/match/")
        return made[-1]

    yield come
    for one in made:
        one.context.close()


def drop(page, path, waits_for=DONE):
    page.set_input_files("[data-part=file]", path)
    page.wait_for_selector(waits_for, timeout=60_000)


def test_a_table_becomes_a_match_and_no_row_leaves(visitor, catalog, tmp_path):
    frame = models.part(0.1, 0.9)
    frame.to_csv(tmp_path / "nuclei.csv", index=False)
    bob = visitor()
    page, bodies = bob.page, []
    page.on("request", lambda sent: bodies.append((sent.url, sent.post_data_buffer or b"")))
    drop(page, tmp_path / "nuclei.csv")
    bob.photograph("describe-outline")

    # The one column that the space does not know is what should be predicted.
    assert page.input_value("[data-part=target]") == models.TARGET and page.input_value("[data-part=points]") == "25"
    words = page.inner_text("#describe")
    assert f"{len(frame)} rows" in words and "Requests while your file was read: 0" in words and "rows a point" in words
    said = json.loads(next(body for url, body in bodies if url.endswith("/spaces/find")))
    assert [sorted(column) for column in said["columns"]] == [["name", "type"]] * 11

    with page.expect_download() as coming:
        page.click("text=Download task.json")
    spec = specs.Specification.read(coming.value.path())
    assert spec.space.id == models.space().id and spec.rkme.n == len(frame) and spec.rkme.size <= 25
    assert spec.rkme.generator["name"] == "moorage-browser" and spec.semantic == {"name": "nuclei", "task": "classification", "target": models.TARGET}
    ours = specs.describe(frame, models.space(), points=25)
    assert specs.squared_mmd(spec.rkme, ours) < 5e-3

    cells = {f"{value}".encode() for value in frame["area"]}
    page.click("[data-part=find]")
    page.wait_for_url("**/matches/**")
    assert "nuclei-" in page.inner_text("main")
    assert len(bodies) > 3 and not [url for url, body in bodies for cell in cells if cell in body]
    assert bob.complaints == []


def test_the_worker_can_not_call_anybody(visitor, catalog, tmp_path):
    models.part(0.1, 0.9).to_csv(tmp_path / "nuclei.csv", index=False)
    bob = visitor()
    drop(bob.page, tmp_path / "nuclei.csv")
    worker = bob.page.workers[0]
    call = "async (how) => { try { await (how === 'import' ? import('/static/moorage/theme.js?row=1') : fetch('/health/live?row=1')); return 'went out'; } catch (error) { return String(error); } }"
    for how in ("fetch", "import"):
        assert "Failed to fetch" in worker.evaluate(call, how)
    assert worker.evaluate("() => { try { const sent = new XMLHttpRequest(); sent.open('GET', '/health/live', false); sent.send(); return 'went out'; } catch (error) { return String(error); } }") != "went out"


def test_other_names_are_mapped_by_hand_and_parquet_is_read(visitor, catalog, tmp_path):
    frame = models.part(0.1, 0.9).rename(columns={"radius": "Radius (mm)", "texture": "grain", "fractal_dimension": "Fractal-Dimension"})
    frame.to_parquet(tmp_path / "other.parquet", compression="zstd")
    bob = visitor(width=390, scheme="dark")
    page = bob.page
    drop(page, tmp_path / "other.parquet", "[data-part=mapping]:not([hidden])")
    assert "Not named yet: texture" in page.inner_text("[data-part=lacking]") and page.is_disabled("[data-part=go]")
    page.select_option("[data-part=target]", models.TARGET)
    page.wait_for_selector("label:has-text('texture') + select")
    page.select_option("label:has-text('texture') + select", "grain")
    assert page.input_value("label:has-text('radius') + select") == "Radius (mm)"
    bob.photograph("describe-mapping")
    page.click("[data-part=go]")
    page.wait_for_selector(DONE)
    assert "as texture" in page.inner_text("[data-part=rows]")
    bob.photograph("describe-mapped")
    assert bob.complaints == []


NUCLEI = "radius,texture,perimeter,area,smoothness,compactness,concavity,concave_points,symmetry,fractal_dimension"
ROW = "1,2,3,4,5,6,7,8,9,10"


FILES = [
    ("", "is empty"),
    ("a,b\n1,2\n", "at least 2 rows"),
    ("a,b\n1,2\n1,2,3\n4,5\n", "Line 3 has 3 cells; the header has 2"),
    ('a,b\n1,2\n1,"2\n4,5\n', "line 3 is not closed"),
    ("a;b\n1;2\n3;4\n", "semicolons"),
    ("a,a\n1,2\n3,4\n", "stands twice"),
    (f"{NUCLEI}\n" + 3 * f"{ROW.replace('2', '', 1)}\n", "“texture” must hold at least one value"),
    (f"{NUCLEI}\n{ROW}\n{ROW}\n{ROW.replace('2', 'wool', 1)}\n{ROW}\n", "line 4 holds “wool”"),
]


def test_what_is_wrong_with_a_file_is_said(visitor, catalog, tmp_path):
    """One after the other in one window: each answer stands alone, and the next file is read all the same."""
    page = (bob := visitor()).page
    for number, (text, words) in enumerate(FILES):
        path = tmp_path / f"data-{number}.csv"
        path.write_text(text)
        page.set_input_files("[data-part=file]", path)
        page.wait_for_selector(f"#describe:has-text('{words}')")
    bob.photograph("describe-wrong")
    page.click("[data-restart]:visible")
    assert page.is_visible("[data-part=pick]") and page.is_hidden("[data-part=known]")
    assert bob.complaints == []
