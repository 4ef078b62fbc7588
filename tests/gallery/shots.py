"""What is looked at: each page in each of its states, for whom it is meant. A new page wants a line here, or a reason below why there is nothing to see."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.urls import reverse

ROOT = Path(__file__).resolve().parents[2]
LONG = "sizes-of-cell-nuclei-in-fine-needle-aspirates-of-breast-masses-of-the-year-1995"
SMALL, MIDDLING, LARGE, TUNED = ["alice", "nuclei-small"], ["alice", "nuclei-middling"], ["alice", "nuclei-large"], ["bob", "nuclei-tuned"]
SIX = "&".join(f"l={name}@1.0.0" for name in ("alice/nuclei-small", "alice/nuclei-middling", "alice/nuclei-large", "alice/nuclei-tiny", "bob/nuclei-of-bob", "bob/nuclei-tuned"))


@dataclass(frozen=True)
class Shot:
    """`route` and `args` (with words of the stage in braces) say where, `who` is signed in, `act` makes the state where an address does not,
    `status` is the answer's, `says` a word that must stand on the page."""

    name: str
    route: str
    args: tuple[str, ...] = ()
    query: str = ""
    who: str = "stranger"
    status: int = 200
    says: str = ""
    act: Callable[[Any, dict[str, Any]], None] | None = None
    logs: tuple[int, ...] = ()  # answers of 400 and above that the act itself asks for
    schemes: tuple[str, ...] = ("light", "dark")

    def path(self, stage: dict[str, Any]) -> str:
        def filled(text: str) -> str:
            return text.format(**stage) if "{" in text else text

        if self.route.startswith(("/", "{")):
            return filled(self.route) + filled(self.query)
        return reverse(self.route, args=[filled(argument) for argument in self.args]) + filled(self.query)


def shots() -> list[Shot]:
    """Every shot; names are unique, and those of the pictures."""
    found = [shot for part in parts().values() for shot in part]
    assert len({shot.name for shot in found}) == len(found)
    return found


def parts() -> dict[str, list[Shot]]:
    """The shots by what they are of."""
    return {
        "catalog": PUBLIC, "learnware": [*LEARNWARE, *_tabs()], "offering": OFFERING, "matching": MATCHING, "reuse": REUSE, "accounts": ACCOUNTS, "errors": [*ERRORS, *ADMIN],
        "docs": _docs(),
    }


# --- deeds that make a state -------------------------------------------------------------------


def click(*selectors: str) -> Callable[[Any, dict], None]:
    def act(page: Any, stage: dict) -> None:
        for selector in selectors:
            page.click(selector)

    return act


def press(selector: str, waits_for: str) -> Callable[[Any, dict], None]:
    def act(page: Any, stage: dict) -> None:
        page.click(selector)
        page.wait_for_selector(waits_for)

    return act


def send(fields: dict[str, str], button: str = "main form button.btn-primary", *, unchecked: bool = True) -> Callable[[Any, dict], None]:
    """Fill in fields and send their form past the browser's own checks, so that the server's answer is seen."""

    def act(page: Any, stage: dict) -> None:
        for selector, value in fields.items():
            page.fill(selector, value)
        if unchecked:
            page.evaluate("document.querySelectorAll('form').forEach((form) => { form.noValidate = true; })")
        with page.expect_navigation():
            page.click(button)

    return act


def menu(page: Any, stage: dict) -> None:
    if page.locator(".navbar-toggler").is_visible():
        page.click(".navbar-toggler")
        page.wait_for_selector("#menu.show")
    page.click(".dropdown-toggle.nav-link")
    page.wait_for_selector(".dropdown-menu.show")


def two_ticked(page: Any, stage: dict) -> None:
    for number in range(2):
        page.locator("input[data-compare]").nth(number).check()
    page.wait_for_selector("#compare-bar:visible")


def _map_drawn(page: Any) -> None:
    page.wait_for_selector(r"text=/learnwares? on [0-9]+ island/")


def map_drawn(page: Any, stage: dict) -> None:
    _map_drawn(page)


def lasso(page: Any, stage: dict) -> None:
    _map_drawn(page)
    page.click("[data-map=lasso]")
    page.locator("#map canvas").scroll_into_view_if_needed()
    box = page.locator("#map canvas").bounding_box()
    corners = [(0.02, 0.02), (0.98, 0.02), (0.98, 0.98), (0.02, 0.98), (0.02, 0.04)]
    points = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in corners]
    page.mouse.move(*points[0])
    page.mouse.down()
    for x, y in points[1:]:
        page.mouse.move(x, y, steps=4)
    page.mouse.up()
    page.wait_for_url("**lasso=**")
    page.wait_for_selector("text=inside the lasso")


def tour_put_away(page: Any, stage: dict) -> None:
    page.click("text=Got it")
    page.wait_for_selector("#tour", state="hidden")


def describing(page: Any, stage: dict) -> None:
    """The worker's own file is held back, so the page is seen as it is while a table is read."""
    page.route("**/describe/worker.js", lambda route: None)
    page.set_input_files("[data-part=file]", stage["csv"])
    page.wait_for_selector("[data-part=run]:not([hidden])")


def described(page: Any, stage: dict) -> None:
    page.set_input_files("[data-part=file]", stage["csv"])
    page.wait_for_selector("[data-part=outline]:not([hidden])", timeout=60_000)


def mapping(page: Any, stage: dict) -> None:
    page.set_input_files("[data-part=file]", stage["csv_renamed"])
    page.wait_for_selector("[data-part=mapping]:not([hidden])", timeout=60_000)


def not_described(page: Any, stage: dict) -> None:
    page.set_input_files("[data-part=file]", stage["csv_broken"])
    page.wait_for_selector("#describe [data-part=refused]:not([hidden])")


def no_member_left_but_one(page: Any, stage: dict) -> None:
    page.locator("button:has-text('Take out'), a:has-text('Take out')").first.click()
    page.wait_for_selector("text=The mixture that you chose")


def files_chosen(page: Any, stage: dict) -> None:
    page.set_input_files("[data-files]", [stage["offer_model"], stage["offer_specification"], stage["offer_manifest"]])
    page.wait_for_function("() => document.querySelectorAll('[data-rows] > li').length >= 3")


def pickle_chosen(page: Any, stage: dict) -> None:
    page.set_input_files("[data-files]", [stage["offer_pickle"]])
    page.wait_for_selector("text=moorage convert")


def tried(page: Any, stage: dict) -> None:
    page.click("button:has-text('sample row')")
    page.wait_for_selector("text=Waiting for a worker")


def rows_refused(page: Any, stage: dict) -> None:
    page.set_input_files("input[name=file]", stage["csv_broken"])
    page.wait_for_selector("text=These rows were not taken")


def too_often(page: Any, stage: dict) -> None:
    """More trials a minute than are taken, the last one without a script: its answer is a page."""
    page.evaluate("""async () => {
      const form = document.querySelector("form[action$='/try/']");
      for (let at = 0; at < 31; at += 1) await fetch(form.action, { method: "POST", body: new FormData(form), headers: { "HX-Request": "true" } });
      form.removeAttribute("hx-post");
      const plain = form.cloneNode(true);
      form.replaceWith(plain);
      plain.submit();
    }""")
    page.wait_for_selector("text=trials a minute")


# --- the catalog -------------------------------------------------------------------------------

PUBLIC = [
    Shot("home", "home"),
    Shot("home-signed-in", "home", who="alice"),
    Shot("home-tour-put-away", "home", act=tour_put_away),
    Shot("menu-open", "home", who="alice", act=menu),
    Shot("explore", "explore"),
    Shot("explore-words", "explore", query="?q=nuclei&format=skops"),
    Shot("explore-none", "explore", query="?q=nothing-like-it", says="removed the last"),
    Shot("explore-refused", "explore", query="?lasso=nonsense", status=422),
    Shot("explore-ticked", "explore", act=two_ticked),
    Shot("explore-table", "explore", query="?view=table"),
    Shot("explore-map", "explore", query="?view=map", act=map_drawn),
    Shot("explore-lasso", "explore", query="?view=map", act=lasso),
    Shot("compare-nothing", "compare"),
    Shot("compare-two", "compare", query="?l=alice/nuclei-small@1.1.0&l=bob/nuclei-tuned@1.0.0"),
    Shot("compare-six", "compare", query=f"?{SIX}"),
    Shot("compare-refused", "compare", query="?l=alice/nuclei-small@1.0.0&l=alice/never-was@1.0.0", status=404),
    Shot("space", "space", ("{space}",)),
    Shot("profile", "profile", ("alice",)),
    Shot("profile-mine", "profile", ("alice",), who="alice"),
    Shot("profile-empty", "profile", ("nell",)),
    Shot("profile-organisation", "profile", ("harbour-lab",), who="bob"),
    Shot("api-docs", "api-docs", act=lambda page, stage: page.wait_for_selector(".opblock, .swagger-ui .info")),
]

LEARNWARE = [
    Shot("learnware-stranger", "learnware", tuple(SMALL)),
    Shot("learnware-owner", "learnware", tuple(SMALL), who="alice"),
    Shot("learnware-moderator", "learnware", tuple(SMALL), who="mona"),
    Shot("learnware-old-version", "version", (*SMALL, "1.0.0"), who="bob"),
    Shot("learnware-own-card", "learnware", tuple(LARGE)),
    Shot("learnware-long-name", "learnware", ("alice", LONG)),
    Shot("learnware-checking", "learnware", ("alice", "nuclei-waiting"), who="alice", says="Being checked"),
    Shot("learnware-refused", "learnware", ("alice", "nuclei-refused"), who="alice", says="Refused"),
    Shot("learnware-withdrawn", "learnware", ("alice", "nuclei-withdrawn"), says="Withdrawn"),
    Shot("learnware-private-owner", "learnware", ("alice", "nuclei-private"), who="alice", says="private"),
    Shot("learnware-private-shared", "learnware", ("alice", "nuclei-private"), who="bob", says="private"),
    Shot("learnware-private-stranger", "learnware", ("alice", "nuclei-private"), who="charlie", status=404),
    Shot("learnware-gated-stranger", "learnware", ("alice", "nuclei-gated"), says="Ask for access"),
    Shot("learnware-gated-waiting", "learnware", ("alice", "nuclei-gated"), who="bob", says="has not answered yet"),
    Shot("learnware-gated-denied", "learnware", ("alice", "nuclei-gated"), who="charlie", says="turned down"),
    Shot("difference", "difference", (*SMALL, "1.0.0", "1.1.0")),
    Shot("difference-choose", "difference", tuple(SMALL)),
    Shot("difference-one-version", "difference", tuple(MIDDLING), says="Only one version"),
    Shot("report", "report", tuple(SMALL), who="bob"),
    Shot("report-wrong", "report", tuple(SMALL), who="bob", act=send({}), logs=(422,)),
    Shot("report-comment", "report", tuple(SMALL), query="?comment={comment}", who="alice"),
    Shot("comment-edit", "comment-edit", (*SMALL, "{comment}"), who="bob"),
    Shot("card", "card", tuple(SMALL), who="alice"),
    Shot("card-preview", "card", tuple(SMALL), who="alice", act=click("button[name=preview]")),
    Shot("access", "access", ("alice", "nuclei-gated"), who="alice"),
    Shot("access-private", "access", ("alice", "nuclei-private"), who="alice"),
    Shot("access-wrong", "access", ("alice", "nuclei-private"), who="alice", act=send({"input[name=username]": "nobody-of-that-name"}, "form[action$='/share/'] button"), logs=(422, 404)),
    Shot("ask", "access-ask", ("alice", "nuclei-gated"), who="nell"),
    Shot("ask-waiting", "access-ask", ("alice", "nuclei-gated"), who="bob"),
    Shot("ask-denied", "access-ask", ("alice", "nuclei-gated"), who="charlie"),
]


def _tabs() -> list[Shot]:
    made = []
    for tab in ("specification", "evaluation", "files", "versions", "lineage", "try", "discussion"):
        made.append(Shot(f"learnware-tab-{tab}", "learnware", tuple(SMALL), query=f"#{tab}", who="alice"))
    made.append(Shot("learnware-tab-tensors", "learnware", tuple(TUNED), query="#files"))
    made.append(Shot("learnware-tab-lineage-tuned", "learnware", tuple(TUNED), query="#lineage"))
    made.append(Shot("learnware-tab-discussion-stranger", "learnware", tuple(LARGE), query="#discussion"))
    return made


OFFERING = [
    Shot("upload", "upload", who="nell"),
    Shot("upload-going-on", "upload", who="alice"),
    Shot("upload-draft", "upload", query="?draft={draft}", who="alice"),
    Shot("upload-answers", "upload", query="?request={request_open}", who="nell", says="You answer a request"),
    Shot("upload-new-version", "upload", query="?new=alice/nuclei-small", who="alice"),
    Shot("upload-ready", "upload", who="mona", act=files_chosen),
    Shot("upload-problems", "upload", who="mona", act=pickle_chosen),
    Shot("mine", "mine", who="alice"),
    Shot("mine-refused", "mine", query="?state=refused", who="alice"),
    Shot("mine-empty", "mine", who="nell"),
]

MATCHING = [
    Shot("match", "match"),
    Shot("match-signed-in", "match", who="bob"),
    Shot("match-refused", "match", act=lambda page, stage: (page.set_input_files("#find input[type=file]", stage["csv"]), page.click("#find button.btn-primary"), page.wait_for_selector("[role=alert]:visible")), logs=(422,)),
    Shot("match-describing", "match", act=describing),
    Shot("match-described", "match", act=described),
    Shot("match-mapping", "match", act=mapping),
    Shot("match-not-described", "match", act=not_described),
    Shot("match-many", "match-detail", ("{match_many}",), who="bob"),
    Shot("match-many-stranger", "match-detail", ("{match_many}",)),
    Shot("match-near", "match-detail", ("{match_near}",), who="bob"),
    Shot("match-far", "match-detail", ("{match_far}",), who="bob"),
    Shot("match-none", "match-detail", ("{match_none}",), who="bob", says="Nothing here fits"),
    Shot("match-none-stranger", "match-detail", ("{match_none}",), says="Nothing here fits"),
    Shot("match-values", "match-detail", ("{match_values}",), who="bob"),
    Shot("match-filtered", "match-detail", ("{match_many}",), query="?format=onnx", who="bob"),
    Shot("match-filtered-out", "match-detail", ("{match_many}",), query="?format=onnx&licence=MIT", who="bob", says="Loosen the filters"),
    Shot("match-chosen", "match-detail", ("{match_many}",), who="bob", act=no_member_left_but_one),
    Shot("match-bad-address", "match-detail", ("{match_many}",), query="?top=nonsense", who="bob", status=422),
    Shot("request-ask", "request-ask", ("{match_many}",), who="bob"),
    Shot("requests", "requests"),
    Shot("requests-met", "requests", query="?state=met"),
    Shot("requests-none", "requests", query="?q=nothing-like-it"),
    Shot("request-stranger", "request", ("{request_open}",)),
    Shot("request-owner", "request", ("{request_open}",), who="bob"),
    Shot("request-far", "request", ("{request_far}",), who="charlie"),
    Shot("request-met", "request", ("{request_met}",)),
    Shot("request-closed", "request", ("{request_closed}",)),
]

REUSE = [
    Shot("jobs", "jobs", who="bob"),
    Shot("jobs-none-pass", "jobs", query="?state=failed&method=ensemble/vote", who="bob"),
    Shot("jobs-empty", "jobs", who="nell"),
    Shot("job-classes", "job", ("{job_classes}",), who="bob", says="How the choice was made"),
    Shot("job-values", "job", ("{job_values}",), who="bob", says="Errors"),
    Shot("job-without-labels", "job", ("{job_blind}",), who="bob", says="without labels"),
    Shot("job-queued", "job", ("{job_queued}",), who="bob", says="Waiting for a worker"),
    Shot("job-running", "job", ("{job_running}",), who="bob"),
    Shot("job-failed", "job", ("{job_failed}",), who="bob", says="longer than the hour"),
    Shot("job-cancelled", "job", ("{job_cancelled}",), who="bob", says="cancelled"),
    Shot("job-offer-wrong", "job", ("{job_classes}",), who="bob", logs=(422,),
         act=lambda page, stage: (page.click("summary:has-text('Offer it as a learnware')"), send({"form[action$='/offer/'] input[name=version]": "first"}, "form[action$='/offer/'] button")(page, stage))),
    Shot("job-again", "job-again", ("{job_classes}",), who="bob"),
    Shot("job-again-wrong", "job-again", ("{job_classes}",), who="bob", act=lambda page, stage: (page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })"), send({"[name=params]": "nonsense"})(page, stage)), logs=(422,)),
    Shot("job-predict-waiting", "job", ("{job_classes}",), who="bob", act=tried),
    Shot("job-predict-refused", "job", ("{job_values}",), who="bob", act=rows_refused),
    Shot("try", "try-version", (*SMALL, "1.1.0")),
    Shot("try-signed-in", "try-version", (*SMALL, "1.1.0"), who="bob"),
    Shot("try-gated", "try-version", ("alice", "nuclei-gated", "1.0.0"), status=403),
    Shot("try-too-often", "try-version", (*SMALL, "1.1.0"), who="mona", act=too_often, logs=(429,)),
    Shot("trial-done", "trial", ("{trial_done}",), who="bob"),
    Shot("trial-file", "trial", ("{trial_file}",), who="bob"),
    Shot("trial-failed", "trial", ("{trial_failed}",), who="bob"),
    Shot("trial-waiting", "trial", ("{trial_waiting}",), who="bob"),
]

ACCOUNTS = [
    Shot("sign-in", "sign-in"),
    Shot("sign-in-wrong", "sign-in", act=send({"[name=username]": "alice", "[name=password]": "not-hers"}), logs=(422, 429)),
    Shot("sign-up", "sign-up"),
    Shot("sign-up-wrong", "sign-up", act=send({"[name=username]": "alice", "[name=password1]": "short", "[name=password2]": "shirt"}), logs=(422,)),
    Shot("profile-edit", "profile-edit", who="alice"),
    Shot("profile-edit-wrong", "profile-edit", who="alice", act=send({"[name=link]": "no address"}), logs=(422,)),
    Shot("tokens", "tokens", who="alice"),
    Shot("tokens-empty", "tokens", who="charlie"),
    Shot("tokens-made", "tokens", who="mona", act=send({"[name=name]": "laptop"}, "main form:has([name=name]) button")),
    Shot("device", "device", who="alice"),
    Shot("device-code", "device", query="?user_code={device_code}", who="alice", says="{device_code}"),
    Shot("device-used", "device", query="?user_code={device_used}", who="bob", status=409),
    Shot("token", "change-token", ("{token}",), who="alice"),
    Shot("security", "security", who="alice"),
    Shot("security-second-factor", "security", who="tess"),
    Shot("password", "password", who="alice"),
    Shot("password-wrong", "password", who="alice", act=send({"[type=password] >> nth=0": "not-hers", "[type=password] >> nth=1": "short", "[type=password] >> nth=2": "shirt"}), logs=(422,)),
    Shot("email", "email", who="alice"),
    Shot("email-confirm", "{confirm_link}"),
    Shot("email-link-over", "email-confirm", ("MQ", "never"), status=410),
    Shot("reset", "password-reset"),
    Shot("reset-sent", "password-reset", act=send({"[type=email]": "nobody@example.org"})),
    Shot("reset-set", "{reset_link}"),
    Shot("reset-link-over", "password-reset-set", ("MQ", "never"), status=410),
    Shot("second-factor", "second-factor", who="alice"),
    Shot("second-factor-wrong", "second-factor", who="alice", act=send({"[name=code]": "000000"}), logs=(422, 429)),
    Shot("second-factor-off", "second-factor-off", who="tess"),
    Shot("recovery-codes", "recovery-codes", who="tess"),
    Shot("second-step", "sign-in", act=send({"[name=username]": "tess", "[name=password]": "tess-has-a-boat"})),
    Shot("events", "events", who="alice"),
    Shot("account-delete", "account-delete", who="alice"),
    Shot("account-delete-nothing-held", "account-delete", who="nell"),
    Shot("invitations", "invitations", who="nell"),
    Shot("invitations-empty", "invitations", who="bob"),
    Shot("organisation-new", "organisation-new", who="alice"),
    Shot("organisation-new-wrong", "organisation-new", who="alice", act=send({"[name=username]": "alice"}), logs=(422,)),
    Shot("organisation-edit", "organisation-edit", ("harbour-lab",), who="alice"),
    Shot("members-admin", "members", ("harbour-lab",), who="alice"),
    Shot("members-reader", "members", ("harbour-lab",), who="charlie"),
    Shot("notifications", "notifications", who="alice"),
    Shot("notifications-empty", "notifications", who="mona", says="Nothing to tell yet"),
]

ERRORS = [
    Shot("error-400", "explore", query="?" + "a=&" * 1001, status=400),
    Shot("error-403", "access", ("alice", "nuclei-gated"), who="bob", status=403),
    Shot("error-404", "/no/such/page/", status=404),
    Shot("error-500", "job", ("{job_damaged}",), who="charlie", status=500),
]

ADMIN = [
    Shot("admin", "admin:index", who="mona", schemes=("light",)),
    Shot("admin-reports", "admin:catalog_report_changelist", who="mona", schemes=("light",)),
    Shot("admin-report", "admin:catalog_report_change", ("{report}",), who="mona", schemes=("light",)),
    Shot("admin-versions", "admin:catalog_version_changelist", who="mona", schemes=("light",)),
    Shot("admin-users", "admin:accounts_user_changelist", who="root", schemes=("light",)),
]


def _docs() -> list[Shot]:
    names = [name for part in json.loads((ROOT / "docs" / "contents.json").read_text()) for name in part["pages"]]
    return [Shot("docs", "docs"), *(Shot(f"docs-{name.replace('/', '-')}", "docs-page", (name,)) for name in names if name != "index"),
            Shot("docs-none", "docs-page", ("never-written",), status=404)]


# What answers no GET with a page of its own, and why. The suite holds this against the addresses themselves.
DEEDS = {  # POST alone
    "access-change", "access-share", "access-unshare", "access-decide", "like", "comment", "comment-delete", "comment-hide", "withdraw", "draft-discard", "upload-cancel",
    "request-close", "job-cancel", "job-offer", "predict-job", "sign-out", "revoke-token", "organisation-delete", "member-role", "member-remove", "notifications-read",
    "sessions-end", "personal-data", "invitation", "invitation-take-back",
}
PARTS = {  # parts of another shot's page, fetched by its script, and files
    "version-status": "learnware-checking", "match-mixture": "match-chosen", "requests-served": "learnware-owner", "map-near": "explore-map", "job-status": "job-running",
    "requests-served-mine": "mine", "request-answered": "upload-answers", "email-confirm": "email-confirm", "password-reset-set": "reset-set", "second-step": "second-step",
    "docs-image": "docs", "request-specification": "request-stranger", "trial-file": "trial-file", "notification": "notifications", "schema": "api-docs",
    "health-live": "", "health-ready": "", "metrics": "", "script-words": "", "set-language": "",
}
