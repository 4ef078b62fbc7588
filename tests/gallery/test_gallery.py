"""Every page, wide or narrow, light or dark: no page without a shot, nothing sideways, nothing from elsewhere, nothing that axe calls serious.

The suite opens each address in its first state; MOORAGE_GALLERY=states opens every state once, MOORAGE_GALLERY=whole every state in both widths (four minutes, eight).
"""

import os
import re
from uuid import UUID

import pytest
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from tests.gallery import market
from tests.gallery.camera import Camera, Window, report
from tests.gallery.shots import DEEDS, PARTS, Shot, parts, shots
from tests.journeys.browser import opened


@pytest.fixture(scope="module")
def camera(tmp_path_factory):
    with market.opened(tmp_path_factory.mktemp("gallery")) as (url, stage), opened() as browser:
        camera = Camera(browser, url, stage)
        yield camera
        camera.close()


def names() -> set[str]:
    """The names of all addresses that a browser may open: pages, not the API and not another client's doors."""

    def walk(patterns):
        for pattern in patterns:
            if isinstance(pattern, URLResolver):
                if str(pattern.pattern) not in ("api/v1/", "admin/"):
                    yield from walk(pattern.url_patterns)
            elif isinstance(pattern, URLPattern) and not str(pattern.name).startswith("hub-") and not str(pattern.pattern).startswith("admin/"):
                yield pattern.name or str(pattern.pattern)

    return set(walk(get_resolver().url_patterns))


def test_every_page_has_a_shot():
    shot = {one.route for one in shots()}
    assert names() - shot - DEEDS - PARTS.keys() == set(), "a page without a shot: write one in tests/gallery/shots.py, or say there why there is nothing to see"
    assert (DEEDS | PARTS.keys()) - names() == set(), "these are addresses no more"
    assert set(filter(None, PARTS.values())) <= {one.name for one in shots()}


@pytest.mark.django_db
def test_what_is_called_a_deed_answers_no_get(client, alice):
    client.force_login(alice)
    made = {"uuid": UUID(int=1), "int": 1}
    patterns = {pattern.name: pattern for pattern in get_resolver().url_patterns if isinstance(pattern, URLPattern)}
    for name in sorted(DEEDS):
        converters = patterns[name].pattern.converters
        kinds = {argument: type(converter).__name__.removesuffix("Converter").lower() for argument, converter in converters.items()}
        address = reverse(name, kwargs={argument: made.get(kind, "anything") for argument, kind in kinds.items()})
        assert client.get(address).status_code == 405, name


@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", parts())
def test_every_shot_is_fit_to_be_seen(camera, part):
    """In the four windows in turn."""
    failures = {}
    for number, shot in enumerate(wanted(parts()[part])):
        for window in windows(number):
            if window.scheme not in shot.schemes:
                window = Window(window.width, shot.schemes[0])
            try:
                wrong = camera.look(shot, window)
            except Exception as error:  # a state that can not be reached is one finding among others
                wrong = [f"could not be looked at: {str(error)[:600]}"]
            if wrong:
                failures[f"{shot.name} {window.name}"] = wrong
    assert not failures, report(failures)


def wanted(of_part: list[Shot]) -> list[Shot]:
    if os.environ.get("MOORAGE_GALLERY"):
        return of_part
    return list({shot.route: shot for shot in reversed(of_part)}.values())[::-1]  # the first of each address


def windows(number: int) -> list[Window]:
    """What is light at one width is dark at the other, and with the next shot the other way round."""
    wide, narrow = Window(1280, ("light", "dark")[number // 2 % 2]), Window(390, ("dark", "light")[number // 2 % 2])
    return [wide, narrow] if os.environ.get("MOORAGE_GALLERY") == "whole" else [(wide, narrow)[number % 2]]


# --- by keyboard alone -------------------------------------------------------------------------

FOCUSED = """() => {
  const e = document.activeElement, told = (of) => getComputedStyle(of);
  if (!e || e === document.body) return null;
  const ringed = [e, e.closest("label, .drop")].filter(Boolean).find((of) => told(of).outlineStyle !== "none" && parseFloat(told(of).outlineWidth) >= 2) || null;
  let behind = ringed && ringed.parentElement;
  while (behind && told(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
  const box = e.getBoundingClientRect();
  const all = [...document.querySelectorAll("*")];
  return { what: e.outerHTML.slice(0, 120), at: all.indexOf(e), ring: ringed && told(ringed).outlineColor, ground: behind ? told(behind).backgroundColor : "rgb(255, 255, 255)",
           seen: box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight };
}"""
REACHABLE = """() => [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")].filter((e) =>
  e.tabIndex >= 0 && !e.disabled && e.type !== "hidden" && e.checkVisibility({ visibilityProperty: true }) && !(e.type === "radio" && !e.checked)).length"""


def contrast(one: str, other: str) -> float:
    """WCAG's ratio of two colours as a browser writes them."""

    def luminance(colour: str) -> float:
        parts = [float(part) / 255 for part in re.findall(r"[0-9.]+", colour)[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("name", ["match", "explore", "upload"])
@pytest.mark.parametrize("window", [Window(1280, "light"), Window(390, "dark")], ids=lambda window: window.name)
def test_the_keyboard_reaches_everything_in_order_and_shows_where_it_is(camera, name, window):
    shot = next(shot for shot in shots() if shot.name == name)
    visitor = camera.visitor(shot.who, window)
    page = visitor.page
    page.goto(visitor.url + shot.path(camera.stage))
    page.wait_for_load_state("load")
    reachable, seen = page.evaluate(REACHABLE), []
    for _ in range(reachable + 5):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        if focused is None or seen and focused["at"] == seen[0]["at"]:
            break
        seen.append(focused)
    assert [one["at"] for one in seen] == sorted(one["at"] for one in seen), "the order of the keyboard is that of the page"
    assert len(seen) >= reachable - 1, f"{len(seen)} of {reachable} were reached"
    for one in seen:
        assert one["seen"], f"out of sight: {one['what']}"
        assert one["ring"] and contrast(one["ring"], one["ground"]) >= 3, f"no focus to be seen ({one['ring']} on {one['ground']}): {one['what']}"


def test_the_skip_link_leads_into_the_content(camera):
    page = camera.visitor("stranger", Window(1280, "light")).page
    page.goto(camera.url + "/explore/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip" and page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")


def test_escape_closes_what_opens_over_the_page(camera):
    wide, narrow = (camera.visitor("alice", Window(*window)).page for window in ((1280, "light"), (390, "dark")))
    for page in (wide, narrow):
        page.goto(camera.url + "/learnwares/alice/nuclei-small/")
        page.focus("details.picker summary")
        page.keyboard.press("Enter")
        page.wait_for_selector(".picker-list:visible")
        page.keyboard.press("Escape")
        page.wait_for_selector(".picker-list", state="hidden")
        assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    wide.focus(".dropdown-toggle.nav-link")
    wide.keyboard.press("Enter")
    wide.wait_for_selector(".dropdown-menu.show")
    wide.keyboard.press("Escape")
    wide.wait_for_selector(".dropdown-menu", state="hidden")
    narrow.focus(".navbar-toggler")
    narrow.keyboard.press("Enter")
    narrow.wait_for_selector("#menu.show")
    narrow.keyboard.press("Escape")
    narrow.wait_for_selector("#menu", state="hidden")
    assert narrow.evaluate("document.activeElement.classList.contains('navbar-toggler')")
