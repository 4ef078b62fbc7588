"""The page of a learnware in a real browser: its tabs, what changed between versions, likes, comments and reports, and the way through a gate."""

import pytest

from tests.journeys import models
from tests.journeys.browser import Visitor, opened
from tests.journeys.site import PASSWORD

TABS = ("specification", "evaluation", "files", "versions", "lineage", "try", "discussion", "card")


@pytest.fixture(scope="module")
def versions(alice, offer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("talked-of")
    made = [offer(alice, models.write(folder, "nuclei-talked-of", models.part(*part), "safetensors", version=number, card=card))
            for number, part, card in (("1.0.0", (0.0, 0.4), "Small ones."), ("1.1.0", (0.4, 1.0), "Small ones.\n\nAnd large ones."))]
    assert [version["status"] for version in made] == ["usable"] * 2
    return made


@pytest.fixture
def visit(site, versions):
    with opened() as browser:
        yield lambda name, **window: _visitor(browser, site, name, **window)


def _visitor(browser, site, name, **window):
    visitor = Visitor(browser, site.url, **window)
    visitor.sign_in(name, PASSWORD)
    return visitor


def test_tabs_versions_and_talk(visit, site):
    bob = visit("bob", width=390, scheme="dark")
    page = bob.page
    bob.go("/learnwares/alice/nuclei-talked-of/")
    for name in TABS:
        page.click(f"#tab-{name}")
        page.wait_for_selector(f"#{name}.active")
        assert page.url.endswith(f"#{name}") and page.locator("section[role=tabpanel]:visible").count() == 1
        bob.photograph(f"learnware-tab-{name}")
    # With the arrow keys too, as tabs are used; and an address with a tab opens it.
    page.focus("#tab-card")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#specification.active")
    bob.go("/learnwares/alice/nuclei-talked-of/#files")
    page.reload()
    page.wait_for_selector("#files.active")
    tensors = page.locator("#files").inner_text()
    assert "head.weight" in tensors and "head.bias" in tensors and "F32" in tensors

    page.click("#tab-versions")
    page.click("#versions a:has-text('what changed')")
    page.wait_for_url("**/compare/1.0.0...1.1.0/")
    words = page.inner_text("main")
    assert "What changed from 1.0.0 to 1.1.0" in words and "And large ones." in words and ("partly other data" in words or "other data." in words)
    assert page.locator("ins").count() and "same names, shapes and types" in words

    # A like, and taking it back; a comment; each in place, without a new page.
    bob.go("/learnwares/alice/nuclei-talked-of/")
    page.evaluate("window.untouched = true")
    for pressed, count in (("true", "1"), ("false", "0")):
        page.click("button.like")
        page.wait_for_selector(f"button.like[aria-pressed={pressed}] .num:text-is('{count}')")
    page.click("#tab-discussion")
    page.fill("#say", "It held up on **our** rows.")
    page.click("button:has-text('Write it')")
    page.wait_for_selector("#talk strong:text-is('our')")
    assert page.input_value("#say") == "" and page.evaluate("window.untouched")
    page.on("dialog", lambda asked: asked.accept())
    page.click("#talk button:has-text('Delete')")
    page.wait_for_selector("text=Nobody has said anything yet")

    page.click("a:has-text('Report this learnware')")
    page.wait_for_url("**/report/")
    page.check("input[value=wrong]")
    page.fill("[name=words]", "The classes are swapped.")
    page.click("main form button")
    page.wait_for_selector("text=A moderator will look at it")
    said = site.manage("shell", "-v", "0", "-c", "from marketplace.catalog.models import Report; print(Report.objects.filter(learnware__name='nuclei-talked-of').values_list('reason', 'state'))")
    assert "('wrong', 'open')" in said
    assert bob.complaints == []


def test_through_the_gate(visit, site, charlie, versions):
    owner, other = visit("alice"), visit("charlie")
    owner.go("/learnwares/alice/nuclei-talked-of/access/")
    owner.page.check("input[name=is_gated]")
    owner.page.click("form[action$='/change/'] button")
    owner.page.wait_for_selector("text=is public now, and gated")
    file = next(file for file in versions[1]["files"] if file["name"].endswith(".safetensors"))
    address = file["url"] if file["url"].startswith("/") else file["url"].removeprefix(site.url)
    assert charlie.get(site.url + address).status_code == 403

    other.go("/learnwares/alice/nuclei-talked-of/")
    assert other.page.locator("a[download]:visible").count() == 0
    other.page.click("a.btn:has-text('Ask for access')")
    other.page.fill("[name=words]", "To measure it on the rows of our clinic.")
    other.page.click("main form button")
    other.page.wait_for_selector("text=To measure it on the rows of our clinic.")
    other.go("/learnwares/alice/nuclei-talked-of/")
    assert "has not answered yet" in other.page.inner_text("main")

    owner.go("/notifications/")
    owner.page.click("main a:has-text('nuclei-talked-of')")
    owner.page.wait_for_url("**/access/")
    owner.page.click("button[value=granted]")
    owner.page.wait_for_selector("text=charlie may use it now")
    other.page.reload()
    assert "has not answered yet" not in other.page.inner_text("main")
    with other.page.expect_download() as coming:
        other.page.click("a.btn:has-text('Download')")
    assert coming.value.path().stat().st_size == file["size"]
    owner.go("/learnwares/alice/nuclei-talked-of/access/")
    owner.page.uncheck("input[name=is_gated]")
    owner.page.click("form[action$='/change/'] button")
    owner.page.wait_for_selector("text=not gated")
    assert owner.complaints + other.complaints == []
