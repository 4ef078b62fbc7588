"""Uploads that go on: in a real browser after a reload in the middle, and on the wire after a line that broke in the middle of a part."""

import hashlib
import json
import socket
from pathlib import Path

import pytest

from tests.journeys import models
from tests.journeys.browser import Visitor, opened
from tests.journeys.site import PASSWORD, wait

PART = 4 << 20  # what the page sends at once
TUS = {"Tus-Resumable": "1.0.0"}


@pytest.fixture(scope="module")
def browser():
    with opened() as browser:
        yield browser


@pytest.fixture
def visitor(browser, site):
    made = []

    def come(**window) -> Visitor:
        made.append(Visitor(browser, site.url, **window))
        return made[-1]

    yield come
    for one in made:
        one.context.close()


def large(folder: Path, name: str, seed: int = 0) -> dict[str, Path]:
    """A network of 13 MB with its specification and manifest, as files."""
    import torch
    from safetensors.torch import save_file

    from reuse import architectures

    frame = models.part(0.2, 0.9)
    config = {"inputs": models.space().d, "hidden": [1800, 1800], "outputs": 2}
    files = models.write(folder, name, frame, "safetensors")
    torch.manual_seed(seed)  # after that, for it sets a seed of its own: what the market has already is not sent again
    save_file({key: value.contiguous() for key, value in architectures.build("mlp", config).state_dict().items()}, files["model"])
    data = files["model"].read_bytes()
    manifest = json.loads(files["manifest"])
    manifest["model"] |= {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "architecture": {"name": "mlp", "config": config}}
    (folder / "learnware.json").write_text(json.dumps(manifest))
    (folder / "specification.json").write_bytes(files["specification"])
    return {"model": files["model"], "manifest": folder / "learnware.json", "specification": folder / "specification.json"}


def test_a_model_that_was_dropped_goes_on_after_a_reload_and_is_offered(visitor, tmp_path):
    alice = visitor()
    page = alice.page
    files = large(tmp_path, "nuclei-resumed")
    alice.sign_in("alice", PASSWORD)
    alice.go("/upload/")
    held, sent, is_held = [], [], True

    def hold(route) -> None:
        offset = int(route.request.headers.get("upload-offset", 0))
        if route.request.method == "PATCH":
            sent.append(offset)
        if is_held and offset:
            held.append(route)  # never answered: the reload ends it
        else:
            route.continue_()

    page.route("**/api/v1/uploads/*", hold)
    page.set_input_files("[data-files]", list(files.values()))
    wait(lambda: page.wait_for_timeout(100) or held, 60)
    page.wait_for_selector("text=Kept as a draft")
    rows = page.inner_text("[data-rows]")
    assert "Sending" in rows and "Arrived" in rows and "Read; its words stand below" in rows
    assert page.input_value("input[name=name]") == "nuclei-resumed" and page.locator("[data-problems]").is_hidden()
    alice.photograph("upload-1-sending")

    page.reload()
    page.wait_for_selector(f"text=Continue upload of {files['model'].name}")
    alice.photograph("upload-2-after-the-reload")
    other = tmp_path / "other"
    other.mkdir()
    models.write(other, "another", models.part(0.1, 0.4), "safetensors")
    page.set_input_files("[data-files]", other / "another.safetensors")
    page.wait_for_selector("text=is another file than")
    page.click("[aria-label='Remove another.safetensors']")

    is_held = False
    sent.clear()
    page.set_input_files("[data-files]", files["model"])
    page.click("button:has-text('Offer it')")
    page.wait_for_url("**/learnwares/alice/nuclei-resumed/**", timeout=60_000)
    assert sent == [PART, 2 * PART, 3 * PART], sent  # what had arrived is not sent again
    page.wait_for_selector("text=checks passed", timeout=90_000)
    alice.photograph("upload-3-usable")

    # A new version: its words stand there, the specification is kept, and the market knows the file.
    alice.go("/upload/?new=alice/nuclei-resumed")
    assert page.input_value("input[name=version]") == "1.1.0" and page.input_value("input[name=target]") == models.TARGET
    page.click("button:has-text('Major')")
    page.set_input_files("[data-files]", files["model"])
    page.wait_for_selector("text=The market has it already")
    page.click("button:has-text('Offer it')")
    page.wait_for_url("**/learnwares/alice/nuclei-resumed/2.0.0/")
    assert alice.complaints == []


def test_an_upload_is_paused_goes_on_and_is_cancelled_by_its_buttons(visitor, tmp_path):
    alice = visitor()
    page = alice.page
    model = large(tmp_path, "nuclei-paused", seed=1)["model"]
    alice.sign_in("alice", PASSWORD)
    alice.go("/upload/")
    held, deleted = [], []

    def hold(route) -> None:
        if route.request.method == "PATCH" and int(route.request.headers["upload-offset"]):
            held.append(route)  # never answered: a button ends it
            return
        if route.request.method == "DELETE":
            deleted.append(route.request.url)
        route.continue_()

    page.route("**/api/v1/uploads/*", hold)
    page.set_input_files("[data-files]", model)
    wait(lambda: page.wait_for_timeout(100) or held, 60)
    page.click(f"[aria-label='Pause {model.name}']")
    page.wait_for_selector("text=Paused at")
    assert page.locator(f"[aria-label='Pause {model.name}']").is_hidden() and len(held) == 1
    page.click(f"[aria-label='Go on {model.name}']")
    wait(lambda: page.wait_for_timeout(100) or len(held) == 2, 60)
    assert "Sending" in page.inner_text("[data-rows]")
    page.click(f"[aria-label='Cancel {model.name}']")
    wait(lambda: page.wait_for_timeout(100) or deleted, 60)
    assert page.locator("[data-rows] li").count() == 0 and deleted == [held[0].request.url]
    assert alice.complaints == []


def test_what_is_wrong_is_said_before_a_byte_is_sent(visitor, tmp_path):
    import pickle

    alice = visitor(width=390, scheme="dark")
    page = alice.page
    files = models.write(tmp_path, "nuclei-wrong", models.part(0.2, 0.9), "skops", licence="Mine-1.0", parents=["nobody/nothing@1.0.0"])
    (tmp_path / "learnware.json").write_bytes(files["manifest"])
    (tmp_path / "specification.json").write_bytes(files["specification"])
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({"not": "welcome"}))
    alice.sign_in("alice", PASSWORD)
    alice.go("/upload/")
    sent = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "PATCH" else None)
    page.set_input_files("[data-files]", [files["model"], tmp_path / "learnware.json", tmp_path / "specification.json", tmp_path / "model.pkl"])
    page.wait_for_selector("text=2 things to mend")
    said = page.inner_text("[data-problems]")
    assert "licence" in said and "nobody/nothing@1.0.0" in said
    assert "moorage convert model.pkl" in page.inner_text("[role=alert]")
    assert page.get_attribute("select[name=licence]", "aria-invalid") == "true" and not sent
    alice.photograph("upload-wrong")

    page.wait_for_selector("text=Kept as a draft")
    alice.go("/mine/")
    assert "Nuclei: nuclei-wrong" in page.inner_text("main")
    alice.photograph("mine-with-a-draft")
    page.on("dialog", lambda dialog: dialog.accept())
    page.click("button:has-text('Throw away')")
    page.wait_for_selector("text=The draft is thrown away")
    assert alice.complaints == []


def test_bytes_that_came_before_the_line_broke_stay(site, alice):
    content = bytes(range(256)) * 20_000
    begun = alice.post("uploads", headers=TUS | {"Upload-Length": str(len(content))})
    path, token = begun.headers["location"], alice.headers["Authorization"]
    head = (f"PATCH {path} HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nAuthorization: {token}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
            f"Content-Type: application/offset+octet-stream\r\nContent-Length: {len(content)}\r\n\r\n")
    with socket.create_connection(("127.0.0.1", site.port)) as line:
        line.sendall(head.encode() + content[: len(content) // 2])

    def arrived() -> int:
        return int(alice.head(site.url + path, headers=TUS).headers["upload-offset"])

    at = wait(arrived, 20, lambda: site.log("web"))
    assert 0 < at <= len(content) // 2
    sent = alice.patch(site.url + path, content=content[at:], headers=TUS | {"Upload-Offset": str(at), "Content-Type": "application/offset+octet-stream"})
    assert sent.status_code == 204
    assert alice.get(site.url + path).json()["sha256"] == hashlib.sha256(content).hexdigest()
    alice.delete(site.url + path, headers=TUS)


def test_a_click_before_the_files_are_read_offers_all_of_them_however_late_the_market_answers(visitor, tmp_path):
    files = models.write(tmp_path, "nuclei-early", models.part(0.2, 0.9), "skops")
    (tmp_path / "learnware.json").write_bytes(files["manifest"])
    (tmp_path / "specification.json").write_bytes(files["specification"])
    alice = visitor()
    page = alice.page
    alice.sign_in("alice", PASSWORD)
    alice.go("/upload/")
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": 8})
    late = []

    def hold(route) -> None:
        if route.request.method == "GET":
            late.append((route, route.fetch()))  # what the market said before it had an upload, and arrives after
        else:
            route.continue_()

    page.route("**/api/v1/uploads", hold)
    for field, path in (("model", files["model"]), ("specification", tmp_path / "specification.json"), ("manifest", tmp_path / "learnware.json")):
        page.set_input_files(f"input[name={field}]", path)
    page.click("button:has-text('Offer it')")
    wait(lambda: page.wait_for_timeout(100) or len(late) == 2, 30)
    page.wait_for_timeout(2000)
    for route, answer in late:
        route.fulfill(response=answer)
    try:
        page.wait_for_url("**/learnwares/alice/nuclei-early/**")
    except Exception as error:
        raise AssertionError(page.inner_text("form[data-offer]")) from error
    assert alice.complaints == []
