"""Explore in a real browser: words, facets, the map with its lasso, and a comparison of what was ticked on the way."""

import re

import pytest

from tests.journeys.browser import Visitor, opened


@pytest.fixture(scope="module")
def browser():
    with opened() as browser:
        yield browser


def test_from_words_to_a_lasso_to_a_comparison(browser, site, catalog):
    # Other journeys offer learnwares in the same market: how many there are now is asked.
    count = site.client().get("learnwares", params={"q": "nuclei"}).json()["count"]
    assert count >= 3 and "learnwares on" in site.manage("lay_out_map")
    zoe = Visitor(browser, site.url)
    page = zoe.page
    zoe.go("/")
    page.click("text=Got it")
    assert page.locator("#tour").is_hidden()
    zoe.go("/")
    assert page.locator("#tour").is_hidden()  # it is remembered

    # Words and a facet: the list changes in place, the address follows.
    zoe.go("/explore/")
    page.fill("#q", "nuclei")
    page.wait_for_url("**q=nuclei**")
    page.click("aside .facet a:visible:has-text('onnx')")
    page.wait_for_url("**format=onnx**")
    page.wait_for_selector("text=1 learnware")
    page.click("a[aria-label^='Take away the filter Format']")
    page.wait_for_url(lambda address: "format" not in address)
    page.wait_for_selector("article.card-lw >> nth=2")
    page.locator("input[data-compare]").nth(0).check()
    page.locator("input[data-compare]").nth(1).check()
    assert "2 to compare" in page.inner_text("#compare-bar")
    zoe.photograph("explore-1-cards")

    # The map: a lasso around everything, then around nothing.
    page.click("nav.views >> text=Map")
    page.wait_for_url("**view=map**")
    said = page.wait_for_selector(r"text=/[0-9]+ learnwares on [0-9]+ island/").inner_text()
    placed = int(re.search(r"([0-9]+) learnwares on", said)[1])
    assert 3 <= placed <= count
    assert page.evaluate("(() => { const c = document.querySelector('#map canvas'); return new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size; })()") > 10

    def lasso(left, top, right, bottom):
        box = page.locator("#map canvas").bounding_box()
        page.click("[data-map=lasso]")
        at = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top + 0.01)]
        page.mouse.move(box["x"] + box["width"] * at[0][0], box["y"] + box["height"] * at[0][1])
        page.mouse.down()
        for x, y in at[1:]:
            page.mouse.move(box["x"] + box["width"] * x, box["y"] + box["height"] * y, steps=6)
        page.mouse.up()

    lasso(0.02, 0.02, 0.98, 0.98)
    page.wait_for_url("**lasso=**")
    page.wait_for_selector("text=inside the lasso")
    page.wait_for_selector(f"#found >> text={placed} learnwares")
    zoe.photograph("explore-2-map")
    lasso(0.01, 0.85, 0.04, 0.9)
    page.wait_for_selector("text=removed the last hits")
    page.go_back()
    page.wait_for_selector(f"#found >> text={placed} learnwares")

    # The comparison of what was ticked.
    page.click("#compare-bar a:has-text('Compare')")
    page.wait_for_url("**/compare/?l=**")
    assert "What differs" in page.inner_text("main") and "Distance (MMD)" in page.inner_text("main")
    zoe.photograph("explore-3-compare")

    # The same on a telephone in the dark, without a script: the boxes are a form.
    assert zoe.complaints == []
    small = Visitor(browser, site.url, width=390, scheme="dark")
    for name, address in (("home", "/"), ("explore", "/explore/"), ("table", "/explore/?view=table"), ("map", "/explore/?view=map"), ("compare", page.url.removeprefix(site.url))):
        small.go(address)
        small.photograph(f"explore-small-{name}")
    assert small.complaints == []
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.goto(site.url + "/explore/?view=map")
    plain.locator("#compare input[name=l]").nth(0).check()
    plain.locator("#compare input[name=l]").nth(2).check()
    plain.click("text=Compare those that are ticked")
    assert "What differs" in plain.inner_text("main")
    for visitor in (zoe, small):
        visitor.context.close()
