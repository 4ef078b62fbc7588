"""Opens one shot in a browser and says what a visitor would not forgive: axe's findings, sideways scrolling, words of a template, the console, strangers' hosts."""

import json
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from tests.gallery.shots import Shot
from tests.journeys.browser import Visitor

GRAVE = ("serious", "critical")
MARKS = ("{%", "{{", "%(", "</li>", "</a>", "&lt;")  # outside code, nobody should read them
MACHINE = (*MARKS, "undefined", "[object Object]", "NaN")  # the documentation may speak of those
# What a page may not do is checked here; best practices beyond WCAG are not asked of it.
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}, "resultTypes": ["violations"], "preload": False}
# Swagger UI draws itself from its package, buttons in buttons included; what it says stands in our own words under /docs/rest/.
WITHIN = {"exclude": [[".swagger-ui"]]}
QUIET = "() => document.readyState === 'complete' && !document.querySelector('.htmx-request, .htmx-swapping, .htmx-settling')"
TALLEST = 12_000  # pixels of a picture: what is longer looks the same further down, and takes a browser most of a minute
CLEAR_MEMORY = "() => { try { localStorage.clear(); sessionStorage.clear(); } catch { } }"


@dataclass(frozen=True)
class Window:
    width: int
    scheme: str

    @property
    def name(self) -> str:
        return f"{self.width}-{self.scheme}"


@dataclass
class Camera:
    """One browser against one market: a context for each person and window, kept while the run lasts."""

    browser: Any
    url: str
    stage: dict[str, Any]
    folder: Path | None = None
    held: dict[tuple[str, Window], Visitor] = field(default_factory=dict)

    def visitor(self, who: str, window: Window) -> Visitor:
        key = (who, window)
        if key not in self.held:
            made = Visitor(self.browser, self.url, width=window.width, scheme=window.scheme)
            made.page.set_default_timeout(20_000)
            if who != "stranger":
                made.context.add_cookies([{"name": self.stage["cookie"], "value": self.stage["sessions"][who], "url": self.url}])
            self.held[key] = made
        return self.held[key]

    def look(self, shot: Shot, window: Window) -> list[str]:
        """Open the shot, keep its picture where a folder is given, and return what is wrong with it."""
        visitor = self.visitor(shot.who, window)
        page, wrong = visitor.page, []
        visitor.complaints.clear()
        path = shot.path(self.stage)
        if "#" in path:
            page.goto("about:blank")  # else another tab of the page that is open would be no new page
        answer = page.goto(self.url + path)
        if answer is not None and answer.status != shot.status:
            wrong.append(f"answered {answer.status} at first, not {shot.status}")
        _settle(page)
        if shot.act is not None:
            shot.act(page, self.stage)
            _settle(page)
        says = shot.says.format(**self.stage) if "{" in shot.says else shot.says
        if says and says not in page.inner_text("body"):
            wrong.append(f"does not say {says!r}")
        wrong += _layout(page, window.width, MARKS if shot.route.startswith("docs") else MACHINE)
        if not shot.route.startswith("admin:"):  # Django draws those
            wrong += axe(page)
        wrong += [words for words in visitor.complaints if not _expected(words, shot)]
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            size = page.evaluate("() => ({ width: document.documentElement.scrollWidth, height: document.documentElement.scrollHeight })")
            page.screenshot(path=self.folder / f"{shot.name}-{window.name}.png", full_page=True, animations="disabled", clip={"x": 0, "y": 0, **size, "height": min(size["height"], TALLEST)})
        if shot.act is not None:
            page.unroute_all()
            page.evaluate(CLEAR_MEMORY)
            page.goto("about:blank")  # workers and timers of this page end with it
        return wrong

    def close(self) -> None:
        for visitor in self.held.values():
            visitor.context.close()


def _settle(page: Any) -> None:
    page.wait_for_load_state("load")
    page.wait_for_function(QUIET)


def _layout(page: Any, width: int, machine: tuple[str, ...]) -> list[str]:
    wrong = []
    found = page.evaluate(LAYOUT)
    if found["wide"] > width:
        wrong.append(f"is {found['wide']} px wide in a window of {width}: {', '.join(found['sticking'][:5])}")
    if found["broken"]:
        wrong.append(f"shows no picture where one should be: {', '.join(found['broken'])}")
    for words in machine:
        if (at := found["words"].find(words)) >= 0:
            wrong.append(f"shows what was meant for a machine: {found['words'][max(0, at - 30):at + 30]!r}")
    return wrong


LAYOUT = """() => {
  const wide = document.documentElement.scrollWidth, inner = document.documentElement.clientWidth;
  const sticking = wide <= inner ? [] : [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > inner + 1)
    .map((e) => e.tagName.toLowerCase() + (e.id ? "#" + e.id : "") + [...e.classList].map((c) => "." + c).join(""));
  const shown = document.body.cloneNode(true);
  shown.querySelectorAll("pre, code, script, template, textarea").forEach((e) => e.remove());
  const broken = [...document.images].filter((image) => image.complete && !image.naturalWidth).map((image) => image.getAttribute("src"));
  return { wide, sticking, broken, words: shown.textContent };
}"""


def axe(page: Any) -> list[str]:
    """axe-core's serious and critical findings, each with the rule, the place and why."""
    # Evaluated over the browser's own debugging protocol, which no Content-Security-Policy needs to let in.
    if not page.evaluate("typeof window.axe === 'object'"):
        page.evaluate(_source())
    found = page.evaluate("([within, rules]) => axe.run(within, rules)", [WITHIN, RULES])
    return [
        f"axe {violation['id']} ({violation['impact']}): {' '.join(map(str, node['target']))}: {_why(node)}"
        for violation in found["violations"] if violation["impact"] in GRAVE
        for node in violation["nodes"][:4]
    ]


def _why(node: dict[str, Any]) -> str:
    said = [check["message"] for check in node["any"] + node["all"] + node["none"]]
    return (said[0] if said else node.get("failureSummary", ""))[:300]


@cache
def _source() -> str:
    return files("axe_playwright_python").joinpath("axe.min.js").read_text() + "\n;undefined"


def _expected(words: str, shot: Shot) -> bool:
    """A browser logs each answer of 400 and above; the shot says which one it is about."""
    return "Failed to load resource" in words and any(f"status of {status}" in words for status in (shot.status, *shot.logs) if status >= 400)


def report(failures: dict[str, list[str]]) -> str:
    return json.dumps(failures, indent=1, ensure_ascii=False)
