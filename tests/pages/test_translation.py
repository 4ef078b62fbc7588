"""Every word that our pages show can be translated: under a made language that puts ⟦brackets⟧ around each message, no letter stands outside them but data."""

import gettext
import re
from html.parser import HTMLParser

import pytest
from django.core import mail
from django.urls import reverse
from django.utils import formats, timezone, translation
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy, trans_real

from marketplace.accounts import audit, mailing, notices
from marketplace.accounts.models import SCOPES, Letter
from marketplace.catalog.models import Version
from marketplace.jobs.models import ReuseJob
from marketplace.matching import index, regions, services, words
from reuse import registry
from reuse.manifest import LICENCES
from tests.marketplace.rows import homes, offered, requirement, table

MADE = "en-gb"  # dates and figures are written as in English; each word comes from the made catalog
SAID = {"aria-label", "title", "placeholder", "alt", "data-confirm", "hx-confirm", "data-drop-name", "data-tell"}
SILENT = {"script", "style", "pre", "code", "textarea"}  # code, and what people write themselves
# Names of formats, units and things; SHA-256 and the like; how a figure is written.
NAMES = r"Moorage|OpenAPI|API|SHA-256|JSON|MMD|RMSE|R²|ONNX|onnx|safetensors|skops|xgboost|lightgbm|predictor|mlp|linear|SPDX|Apache-2\.0|Python|curl|a\.m|p\.m|UTC|CSV|kB|MB|GB|ms|s|min|British English|English|XGBoost|LightGBM|specification\.json|learnware\.json|task\.json"


class Bracketed(gettext.NullTranslations):
    """A catalog that has every message."""

    _catalog: dict = {}

    def gettext(self, message: str) -> str:
        return f"⟦{message.rpartition(chr(4))[2]}⟧"

    def ngettext(self, one: str, many: str, n: int) -> str:
        self.asked.add((one, many))
        return self.gettext(one if n == 1 else many)

    def language(self) -> str:
        return MADE

    def to_language(self) -> str:
        return MADE

    asked: set = set()


@pytest.fixture
def brackets(settings, monkeypatch):
    settings.LANGUAGES = [("en", "English"), (MADE, "British English")]
    settings.USE_I18N = True
    settings.MIDDLEWARE = [*settings.MIDDLEWARE[:6], "marketplace.languages.PageLanguage", *settings.MIDDLEWARE[6:]]
    made = Bracketed()
    made.asked = set()
    monkeypatch.setitem(trans_real._translations, MADE, made)
    _forget()
    yield made
    translation.deactivate_all()
    settings.USE_I18N = False
    _forget()


def _forget() -> None:
    # Django keeps the functions of USE_I18N that it met first, and the formats that go with them.
    for name in list(vars(translation._trans)):
        delattr(translation._trans, name)
    formats.reset_format_cache()


class Words(HTMLParser):
    """What stands outside of every bracket: [text or attribute=value]."""

    def __init__(self, known: re.Pattern) -> None:
        super().__init__()
        self.known, self.depth, self.silent, self.bare = known, 0, 0, []

    def handle_starttag(self, tag, attrs):
        self.silent += tag in SILENT
        for name, value in attrs:
            if name in SAID and value and not self.silent:
                self._look(value, 0, f"{name}=")
        if dict(attrs).get("name") == "description" and tag == "meta":
            self._look(dict(attrs)["content"], 0, "description=")

    def handle_endtag(self, tag):
        self.silent -= tag in SILENT

    def handle_data(self, data):
        if not self.silent:
            self.depth = self._look(data, self.depth, "")

    def _look(self, text, depth, where):
        outside = ""
        for letter in text:
            depth += (letter == "⟦") - (letter == "⟧")
            outside += " " if depth or letter in "⟦⟧" else letter
        left = self.known.sub(" ", outside)
        if re.search(r"[^\W\d_]{2,}", left):
            self.bare.append(where + " ".join(outside.split()))
        return depth


def bare(page: str, *data: str) -> list[str]:
    known = re.compile(rf"(?<![\w.])(?:{NAMES}|{'|'.join(re.escape(one) for one in sorted(data, key=len, reverse=True))}|[0-9a-f-]{{8,}}…?|e[+-]\d+)(?![\w])")
    found = Words(known)
    found.feed(page)
    assert found.depth == 0
    return found.bare


@pytest.fixture
def rng():
    import numpy as np

    return np.random.default_rng(3)


@pytest.fixture
def catalog(alice, rng):
    index.forget()
    space = homes()
    yield [offered(alice, f"at-{shift}", space, table(rng, shift)) for shift in (0, 2, 5)]
    index.forget()


@pytest.fixture
def data(catalog):
    """What people said: names, columns, levels, classes."""
    version = catalog[0]
    columns = [(c["name"], *(c.get("levels") or []), c.get("unit") or "", c["type"]) for c in version.space.document["columns"]]
    output = version.output
    return {"alice", "bob", *(v.learnware.name for v in catalog), *(v.title for v in catalog), version.space.name, version.space.name.title(), output.get("target", ""),
            *map(str, output.get("classes", [])), *(part for column in columns for part in column), "owner", "name", version.manifest["model"]["file"], "moorage-v", "mode fast, points 30, seed 0", '{"alpha": 0.3}',
            "prices"} - {""}


class Visitor:
    """Opens pages, and at the end says every word that was bare on any of them."""

    def __init__(self, client, *data):
        self.client, self.data, self.found = client, data, {}

    def see(self, address, *data, status=200):
        answer = self.client.get(address, HTTP_ACCEPT_LANGUAGE=MADE)
        assert answer.status_code == status, address
        page = answer.content.decode()
        assert f'<html lang="{MADE}"' in page
        if left := bare(page, *self.data, *data):
            self.found[address] = left
        return page

    def says_nothing_bare(self):
        assert not self.found, "\n".join(f"{address}: {word}" for address, words in self.found.items() for word in dict.fromkeys(words))


def test_no_word_of_any_page_is_without_translation(client, brackets, catalog, data, alice, bob, rng):
    """One test, since the catalog and its match take longer to make than all pages."""
    # What a method is called is said in its own file, which knows no Django (docs/operations.md).
    methods = (part for method in registry.every() for part in (method.address, method.title, method.title.partition(":")[0]))
    visitor = Visitor(client, *data, *methods, *LICENCES, *SCOPES, "nothing", "signature-lies")
    with translation.override(MADE):
        match = services.match(user=bob, specification=requirement(homes(), table(rng, 1.0)), filters={})
    assert "⟦" not in str(match.result)  # what is kept is English, and said anew
    assert [words.of_single(row) for row in match.result["singles"]] == [row["sentences"] for row in match.result["singles"]]
    assert words.of_mixture(match.result["mixture"]) == match.result["mixture"]["sentences"]
    version = catalog[0]
    for address in (
        reverse("home"), reverse("explore"), reverse("explore") + "?view=table", reverse("explore") + "?view=map", reverse("explore") + "?q=nothing&task=classification",
        reverse("match"), match.get_absolute_url(), match.get_absolute_url() + "?task=regression", reverse("requests"), reverse("sign-in"), reverse("sign-up"),
        version.get_absolute_url(), version.space.get_absolute_url(), reverse("profile", args=["alice"]),
        reverse("compare") + f"?l={version.reference}&l={catalog[1].reference}", reverse("compare"),
    ):
        page = visitor.see(address)
        if address == match.get_absolute_url():
            assert " of your data lies where this model has seen data.⟧" in page
    visitor.see("/nothing/at/all/here/", status=404)

    client.force_login(bob)
    visitor.see(match.get_absolute_url())
    visitor.see(reverse("request-ask", args=[match.pk]))
    address = client.post(reverse("jobs"), {"match": str(match.pk), "method": "ensemble/routed"}).url
    visitor.see(address)
    visitor.see(reverse("jobs"))
    ReuseJob.objects.update(status="cancelled")
    visitor.see(address)
    visitor.see(address + "again/")

    client.force_login(alice)
    Version.objects.filter(pk=catalog[1].pk).update(status="refused", is_latest=False, refusal={"code": "signature-lies", "message": "", "hint": ""})
    Version.objects.filter(pk=catalog[2].pk).update(status="checking")
    whose = ["alice", "at-0"]
    for address in (
        reverse("upload"), reverse("mine"), reverse("jobs"), reverse("notifications"), reverse("tokens"), reverse("access", args=whose), reverse("card", args=whose),
        reverse("difference", args=whose), version.get_absolute_url(), catalog[1].get_absolute_url(), catalog[2].get_absolute_url(), reverse("report", args=whose),
        reverse("upload") + f"?new={version.learnware}",
    ):
        visitor.see(address)

    visitor.says_nothing_bare()
    assert sum(one != many for one, many in brackets.asked) > 5  # a count decides the words
    regions._of.cache_clear()


def test_a_bare_word_is_found():
    page = "<p>⟦Said⟧ bare</p><p title='plain'>alice</p><code>code</code><p>⟦of ⟦two⟧ halves⟧</p>"
    assert bare(page, "alice") == ["bare", "title=plain"]


def test_programs_are_answered_in_english_whatever_they_ask_for(client, brackets, db):
    answer = client.get("/api/v1/learnwares/nobody/nothing", headers={"accept-language": MADE})
    assert answer.status_code == 404 and "⟦" not in answer.content.decode() and "Accept-Language" not in answer.get("Vary", "")


def test_a_notice_is_kept_in_the_language_of_the_site(brackets, alice):
    with translation.override(MADE):
        notices.tell(alice, "shared", format_lazy(gettext_lazy("You may use {learnware} now."), learnware="bob/flats"))
    assert alice.notifications.get().words == "You may use bob/flats now."


def letters() -> list[str]:
    """What waits is sent; each letter as one text, its subject first."""
    mail.outbox.clear()
    for pk in Letter.objects.order_by("created").values_list("pk", flat=True):
        mailing.send(pk)
    return [f"{message.subject}\n{message.body}" for message in mail.outbox]


@pytest.mark.parametrize(("language", "is_made"), [(MADE, True), ("en", False), ("", False), ("tlh", False)])
def test_a_letter_comes_in_the_language_of_its_receiver(brackets, alice, language, is_made):
    alice.email, alice.language = "alice@example.org", language
    alice.save()
    with translation.override("en" if is_made else MADE):  # whoever acts is not who reads
        mailing.ask_to_confirm(alice)
        (asked,) = letters()
        alice.email_confirmed = timezone.now()
        alice.save()
        mailing.offer_reset(alice.email)
        mailing.tell(alice, gettext_lazy("The password was changed."))
        reset, changed = letters()
    for said, subject in ((asked, "Is this your address?"), (reset, "A new password"), (changed, "Your account was changed")):
        assert (f"[Moorage] ⟦{subject}⟧\n⟦Hello " in said) == is_made and (f"[Moorage] {subject}\nHello " in said) != is_made
    assert ("⟦The password was changed.⟧" in changed) == is_made


def test_an_account_remembers_the_language_that_its_person_chose(client, brackets, django_user_model):
    sent = {"username": "dora", "email": "dora@example.org", "password1": "a-quiet-harbour", "password2": "a-quiet-harbour"}
    client.post(reverse("sign-up"), sent, HTTP_ACCEPT_LANGUAGE=MADE)
    dora = django_user_model.objects.get(username="dora")
    assert dora.language == MADE and "⟦Is this your address?⟧" in letters()[0]
    for chosen, kept in (("en", "en"), ("tlh", "en"), (MADE, MADE)):
        client.post(reverse("set-language"), {"language": chosen, "next": "/"})
        dora.refresh_from_db()
        assert dora.language == kept


def test_what_happened_is_said_in_the_language_of_the_page(client, api, brackets, alice):
    with translation.override("en"):
        english = {str(said) for said in audit.WORDS.values()}
    for action in audit.WORDS:
        audit.note(action, actor=alice)
    client.force_login(alice)
    page = client.get(reverse("events"), HTTP_ACCEPT_LANGUAGE=MADE).content.decode()
    assert sum(f"⟦{said}⟧" in page for said in english) >= 20
    rows = api(alice, ["admin"]).get("/api/v1/events", HTTP_ACCEPT_LANGUAGE=MADE).json()["results"]
    assert len(rows) >= 20 and {row["words"] for row in rows} <= english


def test_a_visitor_chooses_a_language(client, brackets, db):
    client.post(reverse("set-language"), {"language": MADE, "next": "/"})
    page = client.get("/").content.decode()
    assert f'<html lang="{MADE}"' in page and f"/jsi18n/{MADE}.js" in page
    words = client.get(f"/jsi18n/{MADE}.js")
    assert words.status_code == 200 and "max-age" in words["Cache-Control"] and "Vary" not in words.headers
    assert client.get("/jsi18n/xx.js").status_code == 404


def test_english_alone_loads_and_varies_nothing(client, db, settings):
    answer = client.get("/")
    page = answer.content.decode()
    assert not settings.USE_I18N and '<html lang="en"' in page and "jsi18n" not in page and "set-language" not in page
    assert "Accept-Language" not in answer.get("Vary", "")
