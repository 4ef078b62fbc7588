"""Access: set by who writes for the owner, asked for, granted, denied; and offers in the name of an organisation."""

from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from marketplace.accounts import organisations
from marketplace.accounts.models import Notification
from marketplace.catalog import access, services, worker
from marketplace.catalog.models import AccessRequest, Learnware, Share, Version
from marketplace.errors import Refused
from reuse import ReuseError
from tests.marketplace.catalog.conftest import edited
from tests.marketplace.rows import homes, join, offered, table

pytestmark = pytest.mark.django_db
PATH = "/api/v1/learnwares/alice/crane"


@pytest.fixture
def crane(alice):
    return offered(alice, "crane", homes(), table(np.random.default_rng(0))).learnware


@pytest.fixture
def gate(crane, alice):
    return access.change(crane, alice, gated=True)


def told(user):
    return list(Notification.objects.filter(recipient=user).order_by("created").values_list("kind", flat=True))


def test_an_owner_sets_visibility_gate_and_shares(api, alice, bob, charlie, crane):
    client = api(alice)
    assert client.get(f"{PATH}/access").json() == {"visibility": "public", "gated": False, "shared_with": [], "requests": []}
    said = client.put(f"{PATH}/access", {"visibility": "private", "gated": True, "shared_with": ["bob", "charlie"]}, format="json").json()
    assert said == {"visibility": "private", "gated": True, "shared_with": ["bob", "charlie"], "requests": []}
    assert client.put(f"{PATH}/access", {"shared_with": ["bob"]}, format="json").json() == said | {"shared_with": ["bob"]}
    assert told(bob) == ["shared"] and told(charlie) == ["shared"]  # once, however often the list is sent


@pytest.mark.parametrize(("change", "code"), [
    ({"visibility": "secret"}, "wrong-fields"), ({"shared_with": ["nobody"]}, "unknown-account"), ({"shared_with": ["alice"]}, "owner-already"),
    ({"shared_with": "bob"}, "wrong-fields"), ({"gated": "perhaps"}, "wrong-fields"), ({"shared_with": ["x" * 200]}, "wrong-fields"),
])
def test_what_can_not_be_set_is_refused_and_changes_nothing(api, alice, bob, crane, change, code):
    answer = api(alice).put(f"{PATH}/access", {"visibility": "private", **change}, format="json")
    assert 400 <= answer.status_code < 500 and answer.json()["code"] == code
    assert Learnware.objects.get().visibility == "public" and not Share.objects.exists()


def test_asking_waits_and_is_granted_and_both_are_told(api, alice, bob, gate):
    client = api(bob, ["read"])
    assert client.get(f"{PATH}/ask").json() == {"state": "none"}
    asked = client.post(f"{PATH}/ask", {"words": "For the harbour's statistics."}, format="json")
    assert asked.status_code == 201 and asked.json()["state"] == "waiting" and told(alice) == ["access-asked"]
    waiting = api(alice).get(f"{PATH}/access").json()["requests"]
    assert [(row["user"], row["words"]) for row in waiting] == [("bob", "For the harbour's statistics.")]
    granted = api(alice).post(f"{PATH}/requests/{waiting[0]['id']}", {"state": "granted"}, format="json").json()
    assert granted["state"] == "granted" and granted["decided"] and told(bob) == ["access-granted"]
    assert client.get(f"{PATH}/ask").json() == {"state": "granted"}
    assert client.get("/api/v1/learnwares/alice/crane/1.0.0/files/model.bin").status_code == 200


def test_a_denial_holds_for_a_day(api, alice, bob, gate):
    asked = access.ask(gate, bob, "")
    access.decide(asked, alice, "denied")
    assert api(bob).post(f"{PATH}/ask", {}, format="json").json()["code"] == "denied"
    AccessRequest.objects.update(decided=timezone.now() - timedelta(days=1, seconds=1))
    assert api(bob).post(f"{PATH}/ask", {"words": "Please."}, format="json").status_code == 201
    assert AccessRequest.objects.get().words == "Please." and told(bob) == ["access-denied"]


@pytest.mark.parametrize(("who", "code"), [("alice", "not-needed"), ("bob", "asked-already"), ("charlie", "not-needed")])
def test_asking_for_what_one_has_or_has_asked_for_is_refused(request, api, alice, bob, gate, who, code):
    access.ask(gate, bob, "")
    if who == "charlie":
        access.share(gate, alice, request.getfixturevalue("charlie").username)
    assert api(request.getfixturevalue(who)).post(f"{PATH}/ask", {}, format="json").json()["code"] == code


def test_what_is_not_gated_needs_no_asking(api, bob, crane):
    assert api(bob).post(f"{PATH}/ask", {}, format="json").json()["code"] == "not-needed" and api().get(f"{PATH}/ask").json() == {"state": "open"}


def test_so_many_requests_may_wait_and_no_more(bob, gate, monkeypatch):
    monkeypatch.setattr(access, "MAX_WAITING", 0)
    with pytest.raises(Refused) as refused:
        access.ask(gate, bob, "")
    assert refused.value.status == 429


def test_nobody_lets_themself_in(api, bob, gate):
    asked = access.ask(gate, bob, "")
    assert api(bob).post(f"{PATH}/requests/{asked.pk}", {"state": "granted"}, format="json").status_code == 403
    assert AccessRequest.objects.get().state == "waiting"


@pytest.mark.parametrize(("body", "status"), [({"state": "waiting"}, 400), ({}, 400), ({"state": "granted"}, 404)])
def test_a_decision_is_granted_or_denied_and_of_this_learnware(api, alice, bob, gate, body, status):
    other = access.change(offered(alice, "other", homes(), table(np.random.default_rng(1))).learnware, alice, gated=True)
    asked = access.ask(other if status == 404 else gate, bob, "")
    assert api(alice).post(f"{PATH}/requests/{asked.pk}", body, format="json").status_code == status


def test_a_token_needs_the_scope_to_open_doors(api, alice, crane):
    assert api(alice, ["read"]).put(f"{PATH}/access", {"gated": True}, format="json").status_code == 403


# --- offers --------------------------------------------------------------------------------------


@pytest.fixture
def harbour(alice, bob):
    made = organisations.create(by=bob, username="harbour")
    join(made, bob, username="alice", role="writer")
    return made


def test_a_writer_offers_in_the_name_of_an_organisation(api, alice, bob, charlie, harbour, files, upload, monkeypatch):
    given = files()
    given["manifest"] = edited(given["manifest"], owner="harbour")
    answer = upload(api(alice), given)
    assert answer.status_code == 202 and answer.json()["reference"] == "harbour/nuclei@1.0.0" and answer.json()["manifest"]["owner"] == "harbour"
    version = Version.objects.get()
    monkeypatch.setattr(worker, "_open", lambda *_: {})
    worker.check(version.pk)
    assert told(bob)[-1] == "usable"  # the organisation's admin hears of its check
    with pytest.raises(Refused):
        services.withdraw(version, charlie)
    services.withdraw(version, alice)


@pytest.mark.parametrize("role", ["reader", ""])
def test_who_does_not_write_for_it_may_not(api, alice, bob, harbour, files, upload, role):
    organisations.remove(harbour, bob, username="alice")
    if role:
        join(harbour, bob, username="alice", role=role)
    given = files()
    given["manifest"] = edited(given["manifest"], owner="harbour")
    answer = upload(api(alice), given)
    assert answer.status_code == 422 and answer.json()["code"] == "other-owner" and not Version.objects.exists()


def test_a_learnware_may_be_private_from_the_start_and_its_versions_stay_so(alice, files):
    first = services.submit(owner=alice, **files(), visibility="private")
    assert first.learnware.visibility == "private"
    with pytest.raises(Refused) as refused:
        services.submit(owner=alice, **files(version="1.1.0"), visibility="public")
    assert refused.value.code == "visibility-differs" and Version.objects.count() == 1
    assert services.submit(owner=alice, **files(version="1.2.0")).learnware.visibility == "private"
    with pytest.raises(Refused) as refused:
        services.submit(owner=alice, **files(name="other"), visibility="secret")
    assert refused.value.code == "bad-visibility"


def test_a_refused_check_is_told_too(alice, files, monkeypatch):
    def refuse(*_):
        raise ReuseError("signature-lies", "The model answers with 3 classes, not 2.", "")

    version = services.submit(owner=alice, **files())
    monkeypatch.setattr(worker, "_open", refuse)
    worker.check(version.pk)
    notice = Notification.objects.get(recipient=alice)
    assert notice.kind == "refused" and "3 classes" in notice.words and notice.address == version.get_absolute_url()
