"""The page of a match in a real browser, from its regions to a job; and what a newcomer does: from the home page to a predictor for a table of their own."""

import json
import re
import zipfile
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.journeys import models
from tests.journeys.browser import Visitor, opened
from tests.journeys.site import PASSWORD

MOST_CLICKS = 6


@pytest.fixture(scope="module")
def browser():
    with opened() as browser:
        yield browser


def weights(page) -> dict[str, float]:
    """What the table of the mixture says: {reference: weight in percent}, without those that are out."""
    rows = page.locator("#mixture .members tbody tr:not(.out)").all()
    return {row.locator("th .mono").inner_text(): float(re.match(r"[0-9.]+", row.locator("td.num").inner_text())[0]) for row in rows}


def test_members_filters_and_the_way_to_a_job(browser, site, catalog, bob):
    match = bob.post("matches", json={"specification": models.requirement(models.part(0.05, 0.95)), "top": 10}).json()
    visitor = Visitor(browser, site.url)
    visitor.sign_in("bob", PASSWORD)
    page = visitor.page
    visitor.go(match["url"].removeprefix(site.url))

    # The heat map has a cell for each region and model, shaded as its number says.
    shades = page.evaluate("""() => [...document.querySelectorAll("#heat td[class*=shade-]")].map((e) => [parseFloat(e.textContent), getComputedStyle(e).backgroundColor])""")
    assert len(shades) >= 2 * page.locator("#heat tbody tr").count() and len({colour for _, colour in shades}) > 1
    assert len({colour for value, colour in shades if value >= 99}) == 1

    # Out goes the heaviest member: others weigh more, together all; the address keeps it, and going back undoes it.
    before = weights(page)
    heaviest = max(before, key=before.get)
    assert len(before) >= 2 and sum(before.values()) == pytest.approx(100, abs=2)
    page.locator("#mixture tr", has_text=heaviest).locator(".switch").click()
    page.wait_for_selector("text=The mixture that you chose")
    after = weights(page)
    assert heaviest not in after and sum(after.values()) == pytest.approx(100, abs=2)
    assert max(after[name] - before.get(name, 0) for name in after) > 1
    assert parse_qs(urlsplit(page.url).query)["without"] == [heaviest]
    members = {member["reference"]: member["weight"] for member in json.loads(page.input_value("#id_members"))}
    assert set(members) == set(after)
    page.wait_for_function("(names) => names.every((name) => document.querySelector('#program').textContent.includes(name))", arg=list(members))
    page.reload()
    assert weights(page) == after
    page.locator("#mixture tr", has_text=heaviest).locator(".switch").click()
    page.wait_for_function("(name) => [...document.querySelectorAll('#mixture tr:not(.out)')].some((row) => row.textContent.includes(name))", arg=heaviest)
    assert heaviest in weights(page)

    # Filters stand in the address and as chips that can be taken away.
    visitor.go(match["url"].removeprefix(site.url) + f"?without={heaviest}")
    page.click("summary:has-text('Filters')")
    page.select_option("#f-format", "onnx")
    page.click("button:has-text('Apply')")
    page.wait_for_url("**format=onnx**")
    assert page.inner_text("main").count("nuclei-large") and "without=" in page.url
    page.click("a[aria-label*='onnx']")
    page.wait_for_url(lambda address: "format" not in address)

    # A snippet that names this match, copied by its button; and a job that takes what the page shows.
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#program .copy:visible").first.click()
    page.wait_for_selector("#program .copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert match["id"] in copied or all(name in copied for name in weights(page))
    chosen = set(weights(page))
    page.select_option("select[name=method]", "ensemble/mean")
    page.click("button:has-text('Start')")
    page.wait_for_url("**/jobs/**")
    job = bob.get(f"jobs/{urlsplit(page.url).path.strip('/').split('/')[-1]}").json()
    assert {member["reference"] for member in job["members"]} == chosen
    assert visitor.complaints == []
    visitor.context.close()


def test_a_newcomer_has_a_predictor_six_clicks_after_choosing_a_file(browser, site, catalog, tmp_path):
    """No account, no word of the manual read: a table with a column to predict is all there is."""
    table = tmp_path / "my-nuclei.csv"
    models.part(0.1, 0.9).sample(60, random_state=3).to_csv(table, index=False)
    visitor = Visitor(browser, site.url, width=390)
    page, clicks = visitor.page, []

    def click(selector):
        clicks.append(selector)
        page.click(selector)

    visitor.go("/")
    page.click("main a:has-text('Match my data')")
    page.wait_for_url("**/match/")
    page.set_input_files("[data-part=file]", table)
    page.wait_for_selector("[data-part=outline]:not([hidden])", timeout=60_000)
    click("[data-part=find]")
    page.wait_for_url("**/matches/**")
    match = urlsplit(page.url).path
    click("main a:has-text('Sign in and start')")
    click("main a:has-text('Create an account')")
    page.fill("input[name=username]", "newcomer")
    page.fill("input[name=password1]", "a-quiet-harbour")
    page.fill("input[name=password2]", "a-quiet-harbour")
    click("main form button.btn-primary")
    page.wait_for_url(f"**{match}**")
    page.set_input_files("input[name=data]", table)
    assert page.input_value("input[name=target]") == models.TARGET
    click("button:has-text('Start')")
    page.wait_for_url("**/jobs/**")
    page.wait_for_selector("text=Download the predictor", timeout=180_000)
    with page.expect_download() as coming:
        click("text=Download the predictor")
    held = zipfile.ZipFile(coming.value.path())
    assert "predictor.json" in held.namelist() and re.search(r"\bcross-validation\b", page.inner_text("main"))
    assert len(clicks) <= MOST_CLICKS, clicks
    assert visitor.complaints == []
    visitor.context.close()
