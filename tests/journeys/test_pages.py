"""The whole walk through the pages, in a real browser: sign-up, token, upload, check, match, job, result, download, offer again."""

import json
import zipfile

import pytest

from tests.journeys import models
from tests.journeys.browser import Visitor, opened
from tests.journeys.site import PASSWORD


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


def test_from_sign_up_to_a_predictor_that_is_offered_again(visitor, catalog, tmp_path):
    dora = visitor()
    page = dora.page
    dora.go("/")
    dora.photograph("walk-1-home")
    page.click("text=Sign up >> visible=true") if page.locator("a:has-text('Sign up'):visible").count() else dora.go("/accounts/sign-up/")
    page.fill("input[name=username]", "dora")
    page.fill("input[name=password1]", "a-quiet-harbour")
    page.fill("input[name=password2]", "a-quiet-harbour")
    page.click("main button")
    page.wait_for_load_state("networkidle")

    dora.go("/tokens/")
    page.fill("input[name=name]", "laptop")
    page.click("text=Make the token") if page.locator("button:has-text('Make the token')").count() else page.click("form:has(input[name=name]) button")
    page.wait_for_selector("#secret")
    assert page.inner_text("#secret").startswith("moor_")

    # Offer: a skops model with its specification and manifest; the page follows the check by itself.
    files = models.write(tmp_path, "nuclei-of-dora", models.part(0.2, 0.9), "skops")
    (tmp_path / "learnware.json").write_bytes(files["manifest"])
    (tmp_path / "specification.json").write_bytes(files["specification"])
    dora.go("/upload/")
    assert "{%" not in page.inner_text("main")
    dora.photograph("walk-2-upload")
    page.set_input_files("input[name=model]", files["model"])
    page.set_input_files("input[name=specification]", tmp_path / "specification.json")
    page.set_input_files("input[name=manifest]", tmp_path / "learnware.json")
    page.click("button:has-text('Offer it')")
    page.wait_for_url("**/learnwares/dora/nuclei-of-dora/**", timeout=90_000)
    page.wait_for_selector("text=checks passed", timeout=60_000)
    dora.photograph("walk-3-learnware")

    # Search: a requirement of her own.
    wanted = tmp_path / "task.json"
    wanted.write_text(json.dumps(models.requirement(models.part(0.1, 0.6))))
    dora.go("/match/")
    assert "{%" not in page.inner_text("main")
    page.set_input_files("input[name=specification]", wanted)
    page.click("#find button:has-text('Find what fits')")
    page.wait_for_url("**/matches/**")
    assert "nuclei-" in page.inner_text("main") and "closest single models" in page.inner_text("main")
    dora.photograph("walk-4-match")

    # Reuse with labels; the page shows the stages, then the table.
    labelled = tmp_path / "labelled.csv"
    models.part(0.1, 0.6).head(40).to_csv(labelled, index=False)
    page.set_input_files("input[name=data]", labelled)
    page.fill("input[name=target]", models.TARGET)
    page.click("button:has-text('Start')")
    page.wait_for_url("**/jobs/**")
    dora.photograph("walk-5-running")
    page.wait_for_selector("text=How the choice was made", timeout=120_000)
    assert "scratch" in page.inner_text("main") and "chosen" in page.inner_text("main")
    dora.photograph("walk-6-result")

    with page.expect_download() as coming:
        page.click("text=Download the predictor")
    bundle = tmp_path / "predictor.zip"
    coming.value.save_as(bundle)
    assert "predictor.json" in zipfile.ZipFile(bundle).namelist()

    page.click("summary:has-text('Offer it as a learnware')")
    page.fill("form:has-text('Version') input[name=name]", "nuclei-reused")
    page.click("details button:has-text('Offer it')")
    page.wait_for_url("**/learnwares/dora/nuclei-reused/**")
    page.wait_for_selector("text=checks passed", timeout=60_000)
    page.click("text=Lineage")
    assert "nuclei-" in page.inner_text("main")
    dora.photograph("walk-7-offered-again")
    assert dora.complaints == []


def test_a_pickle_is_refused_on_the_page_with_the_command_that_converts_it(visitor, tmp_path):
    import pickle

    alice = visitor()
    alice.sign_in("alice", PASSWORD)
    files = models.write(tmp_path, "nuclei-pickled", models.part(0.2, 0.9), "skops")
    model = tmp_path / "model.skops"
    model.write_bytes(pickle.dumps({"not": "welcome"}))
    (tmp_path / "learnware.json").write_bytes(files["manifest"])
    (tmp_path / "specification.json").write_bytes(files["specification"])
    alice.go("/upload/")
    for name, path in (("model", model), ("specification", tmp_path / "specification.json"), ("manifest", tmp_path / "learnware.json")):
        alice.page.set_input_files(f"input[name={name}]", path)
    alice.page.click("button:has-text('Offer it')")
    alice.page.wait_for_selector("[role=alert]")
    said = alice.page.inner_text("[role=alert]")
    assert "moorage convert" in said and "code" in said.lower()
    alice.photograph("refused-upload")


def test_a_visitor_finds_a_model_with_the_keyboard_alone(visitor, catalog):
    someone = visitor()
    someone.go("/explore/")
    someone.page.keyboard.press("Tab")
    assert someone.page.evaluate("document.activeElement.textContent").strip().lower().startswith("skip")
    someone.page.focus("input[name=q]")
    someone.page.keyboard.type("nuclei small")
    someone.page.keyboard.press("Enter")
    someone.page.wait_for_url("**q=nuclei*")
    assert "nuclei-small" in someone.page.inner_text("main")
    assert someone.complaints == []
