"""Every address of the site, by every method, asked by seven visitors, and held against the table of `routes.py`.

What belongs to somebody belongs to Alice or to the harbour, of which she is an admin and Rita a reader: a private learnware, a job, a match, a request,
drafts, tokens. Charlie is a stranger. Two of the visitors hold tokens of Alice: one that may only read, and one whose scope is another than is needed.
"""

import json
from collections.abc import Iterator
from http.cookies import SimpleCookie
from typing import Any

import numpy as np
import pytest
from django.contrib.messages import get_messages
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, get_resolver

from marketplace.accounts import devices, notices, organisations
from marketplace.accounts.services import create_token
from marketplace.catalog import access, talking, tus, uploading
from marketplace.catalog.models import Draft, Learnware
from marketplace.jobs.models import JobMember, ReuseJob, Trial
from marketplace.matching import index, services
from marketplace.matching.models import Wanted
from tests.marketplace.routes import ALLOWED, EVERYWHERE, PATHS, SCOPES
from tests.marketplace.rows import homes, join, offered, requirement, table

pytestmark = pytest.mark.django_db
VISITORS = ("anonymous", "stranger", "owner", "member", "read-token", "wrong-scope", "staff")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ADMIN = "admin/"
LETTERS = {"I": "let in", "L": "asked to sign in", "F": "forbidden", "H": "not there", "R": "told no in words, on the page that comes next"}


class Back(Exception):
    """Ends a request's transaction: every visitor finds everything as it was."""


def routes() -> Iterator[tuple[str, URLPattern]]:
    """(its whole address with converters, its pattern), of every address of the site."""

    def walk(patterns, before=""):
        for pattern in patterns:
            if isinstance(pattern, URLPattern):
                yield before + str(pattern.pattern), pattern
            else:
                yield from walk(pattern.url_patterns, before + str(pattern.pattern))

    yield from walk(get_resolver().url_patterns)


OURS = {path: pattern for path, pattern in routes() if not path.startswith(ADMIN)}
AREAS = {"accounts": ("accounts", "tokens", "device", "organisations", "invitations", "notifications", "whoami", "events"), "jobs": ("jobs", "trials", "methods"),
         "matching": ("match", "matches", "requests"), "rest": ()}


def area_of(path: str) -> str:
    first = path.removeprefix("api/v1/").split("/")[0]
    return next((area for area, firsts in AREAS.items() if first in firsts), "rest")


def test_every_address_is_classified_and_none_that_is_not_there():
    assert set(OURS) - set(ALLOWED) == set(), "new addresses: add them to tests/marketplace/routes.py"
    assert set(ALLOWED) - set(OURS) == set(), "these are gone: take them out of the table"
    ours = {path: set(methods_of(pattern)) for path, pattern in OURS.items()}
    assert {path: (methods - set(ALLOWED[path]), set(ALLOWED[path]) - methods) for path, methods in ours.items() if methods != set(ALLOWED[path])} == {}, "(to be added, to be taken out)"
    assert all(set(letters) <= set(LETTERS) and len(letters) == len(VISITORS) for methods in ALLOWED.values() for letters in methods.values())


@pytest.fixture
def world(alice, bob, charlie, django_user_model):
    index.forget()
    rng, space = np.random.default_rng(4), homes()
    people = {name: django_user_model.objects.create_user(name) for name in ("rita", "stan", "ivan")}
    people["stan"].is_staff = people["stan"].is_superuser = True
    people["stan"].save()
    harbour = organisations.create(by=alice, username="harbour")
    join(harbour, alice, username="rita", role="reader")
    organisations.invite(harbour, alice, username="ivan", role="reader")
    quay = organisations.create(by=people["ivan"], username="quay")
    organisations.invite(quay, people["ivan"], username="alice", role="reader")
    crane = offered(harbour, "crane", space, table(rng, 1.0))
    offered(harbour, "crane", space, table(rng, 1.0), number="1.1.0")
    offered(bob, "open", space, table(rng), model=b"another model")
    access.change(crane.learnware, alice, gated=True)
    asked = access.ask(crane.learnware, bob, "Please.")
    comment = talking.say(crane.learnware, alice, "A comment.")
    access.change(crane.learnware, alice, gated=False, visibility="private", shared_with=["bob"])
    match = services.match(user=alice, specification=requirement(space, table(rng, 1.0)), filters={})
    wanted = Wanted.objects.create(owner=alice, space=crane.space, specification=crane.specification, title="Wanted", task="classification", target="kind")
    job = ReuseJob.objects.create(owner=alice, space=crane.space, method="ensemble/mean", match=match)
    JobMember.objects.create(job=job, version=crane, weight=1, position=0)
    trial = Trial.objects.create(owner=alice, version=crane, count=1, rows={"area": [1]})
    upload = uploading.begin(owner=alice, size=10, name="model.bin")
    draft = Draft.objects.create(author=alice)
    notices.tell(alice, "usable", "Look.", "/mine/")
    token, _ = create_token(alice, "laptop", ["read"])
    grant, _ = devices.ask("laptop", ["read"])
    return {
        "clients": {}, "alice": alice, "charlie": charlie, **people, "space_id": crane.space_id, "match": match.pk, "wanted": wanted.pk, "job": job.pk, "trial": trial.pk, "upload": upload.pk, "draft": draft.pk,
        "notice": alice.notifications.first().pk, "token": token.token_key, "user_code": grant.user_code, "comment": comment.pk, "asked": asked.pk, "crane": crane,
        "specification": json.loads(requirement(space, table(rng))),
    }


def methods_of(pattern: URLPattern) -> tuple[str, ...]:
    """The methods that a view takes: those of its class, or those that its decorator lets through."""
    view = getattr(pattern.callback, "view_class", None) or getattr(pattern.callback, "cls", None)
    if view is not None:
        return tuple(method for method in METHODS if hasattr(view, method.lower()) and method.lower() in view.http_method_names)
    named, function = None, pattern.callback
    while function is not None:
        free = dict(zip(function.__code__.co_freevars, (cell.cell_contents for cell in function.__closure__ or ()), strict=True)) if hasattr(function, "__code__") else {}
        named = free.get("request_method_list", named)
        function = getattr(function, "__wrapped__", None)
    return tuple(method for method in METHODS if named is None or method in named)


def client_of(visitor: str, world: dict, path: str, method: str) -> Client:
    is_api = path.startswith("api/") or "/resolve/" in path
    needed = SCOPES.get((path, method), "read")
    known = (visitor, is_api, needed if visitor == "wrong-scope" else "")
    if known in world["clients"]:
        client, cookies = world["clients"][known]
        client.cookies = SimpleCookie(cookies)  # as it was: who signed out is in again
        return client
    client = Client(raise_request_exception=False, REMOTE_ADDR="198.51.100.1")  # from elsewhere: this machine itself may read its own numbers
    people = {"stranger": "charlie", "owner": "alice", "member": "rita", "staff": "stan"}
    if visitor in people:
        person = world[people[visitor]]
        if not is_api:
            client.force_login(person)
        else:
            client.defaults["HTTP_AUTHORIZATION"] = f"Token {world['secrets'][visitor]}"
    elif visitor != "anonymous":
        name = "read-token" if visitor == "read-token" else "run-token" if needed == "upload" else "upload-token"
        client.defaults["HTTP_AUTHORIZATION"] = f"Token {world['secrets'][name]}"
    world["clients"][known] = client, {name: morsel.value for name, morsel in client.cookies.items()}
    return client


@pytest.fixture
def secrets(world):
    every = ["read", "upload", "run", "admin"]
    made = {visitor: create_token(world[name], "all", every)[1] for visitor, name in {"stranger": "charlie", "owner": "alice", "member": "rita", "staff": "stan"}.items()}
    made |= {f"{scope}-token": create_token(world["alice"], scope, [scope])[1] for scope in ("read", "run", "upload")}
    world["secrets"] = made
    return made


def letter(answer: Any) -> str:
    if answer.streaming:
        b"".join(answer.streaming_content)  # to its end: closed before, it would close the test's connection
    if answer.status_code == 401 or (answer.status_code == 302 and "/accounts/sign-in/" in answer["Location"]):
        return "L"
    if answer.status_code == 302 and any(message.level_tag == "error" for message in get_messages(answer.wsgi_request)):
        return "R"
    assert answer.status_code < 500, f"{answer.status_code}: {answer.content[:300]}"
    return {403: "F", 404: "H"}.get(answer.status_code, "I")


def ask(client: Client, method: str, path: str, body: dict) -> str:
    is_api = path.startswith("/api/v1/")
    found = ""
    try:
        with transaction.atomic():
            if method == "GET":
                answer = client.get(path, body)
            elif method == "PATCH" and "/uploads/" in path:
                answer = client.generic(method, path, b"x", content_type=tus.MEDIA_TYPE, HTTP_TUS_RESUMABLE=tus.VERSION, HTTP_UPLOAD_OFFSET="0")
            elif is_api:
                answer = client.generic(method, path, json.dumps(body), content_type="application/json", HTTP_TUS_RESUMABLE=tus.VERSION)
            elif method == "POST":
                answer = client.post(path, body)
            else:
                answer = client.generic(method, path)
            found = letter(answer)
            raise Back
    except Back:
        return found


def surprises(world: dict, paths: list[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for path in paths:
        if "uploads/<uuid" in path:
            world["upload"] = uploading.begin(owner=world["alice"], size=10, name="model.bin").pk  # a transaction brings no file back that was cancelled
        kwargs, bodies = PATHS(path, world)
        for method in methods_of(OURS[path]):
            letters = "".join(ask(client_of(visitor, world, path, method), method, kwargs, bodies.get(method, {})) for visitor in VISITORS)
            if letters != ALLOWED[path].get(method):
                found.setdefault(path, {})[method] = letters
    return found


@pytest.mark.parametrize("area", AREAS)
def test_who_gets_where(world, secrets, area, monkeypatch):
    cache.clear()
    monkeypatch.setattr("rest_framework.throttling.SimpleRateThrottle.allow_request", lambda *args: True)
    found = surprises(world, [path for path in OURS if area_of(path) == area])
    told = [f"{path} {method}: {letters}, not {ALLOWED.get(path, {}).get(method, 'N')}" for path, methods in found.items() for method, letters in methods.items()]
    assert not told, f"columns: {', '.join(VISITORS)}\n" + "\n".join(told)


def test_the_admin_site_is_for_staff_and_shows_others_nothing(world, secrets):
    """Each of its addresses; what is no page of a row is asked for by a number that is none."""
    paths = sorted({"/" + path.replace("<path:object_id>", "1").replace("<int:content_type_id>", "1").replace("<path:object_id>", "1").replace("<id>", "1")
                    for path, _ in routes() if path.startswith(ADMIN) and "(?P" not in path and "<path:url>" not in path and "<app_label>" not in path})
    assert len(paths) > 30
    wrong = []
    for path in paths:
        for visitor in ("anonymous", "owner", "member"):
            client = client_of(visitor, world, path.lstrip("/"), "GET")
            answer = client.get(path, follow=True)
            if not (answer.status_code in (403, 404, 405) or answer.redirect_chain and answer.redirect_chain[-1][0].startswith(("/accounts/", "/explore", "/"))):
                wrong.append((path, visitor, answer.status_code))
            if answer.status_code == 200 and b"Moorage: moderation" in answer.content:
                wrong.append((path, visitor, "shown"))
    assert not wrong


@pytest.mark.parametrize("visitor", ["anonymous", "stranger"])
def test_nothing_that_can_be_read_names_a_private_learnware_to_outsiders(world, secrets, visitor):
    """Every address that answers a GET, and the searches: the name of the private learnware stands in none of the answers."""
    Learnware.objects.filter(name="crane").update(name="crane-zq7x")  # a word that stands nowhere else
    told = []
    for path in OURS:
        if "<str:name>" in path or path in EVERYWHERE:
            continue
        kwargs, bodies = PATHS(path, world)
        answer = client_of(visitor, world, path, "GET").get(kwargs, bodies.get("GET", {}))
        said = (b"".join(answer.streaming_content) if answer.streaming else answer.content).decode(errors="replace")
        if "zq7x" in said:
            told.append(path)
    client = client_of(visitor, world, "api/v1/matches", "POST")
    said = client.post("/api/v1/matches", json.dumps({"specification": world["specification"]}), content_type="application/json").content.decode()
    assert "bob/open" in said and "zq7x" not in said
    if visitor == "stranger":
        # Not even that somebody holds these bytes is told: only its owner need not send them.
        asked = {"sha256": world["crane"].model_id, "size": world["crane"].model.size}
        assert client.get("/api/v1/uploads/known", asked).json()["known"] is False
        assert client_of("owner", world, "api/v1/uploads/known", "GET").get("/api/v1/uploads/known", asked).json()["known"] is True
        assert not [row for row in world["charlie"].notifications.all() if "zq7x" in row.words]
    assert not told
