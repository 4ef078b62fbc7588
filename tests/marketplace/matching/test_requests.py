"""The request board: what is published, what comes near, who is told, and who may end it."""

import json

import numpy as np
import pytest

import specs
from marketplace.accounts.models import Notification
from marketplace.catalog import artifacts
from marketplace.catalog.models import Artifact, Change, Learnware, Version
from marketplace.errors import Refused
from marketplace.matching import services, tasks, wanting
from marketplace.matching.models import Wanted
from tests.marketplace.rows import homes, offered, requirement, table

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def space():
    return homes()


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def far(alice, space, rng):
    return offered(alice, "far", space, table(rng, 9))


@pytest.fixture
def wanted(bob, far, space, rng):
    """Bob asks for a model of data at 0; all there is stands at 9."""
    return ask(bob, space, table(rng))


def ask(owner, space, frame, labels=None, **changes):
    document = requirement(space, frame, labels, name="bobs-secret-project", description="of Bob")
    given = {"title": "Flats of Bonn", "task": "classification", "target": "kind", "specification": document}
    return wanting.ask_for(owner=owner, **given | changes)


def private(version):
    Learnware.objects.filter(pk=version.learnware_id).update(visibility=Learnware.Visibility.PRIVATE)


def told(user):
    return list(Notification.objects.filter(recipient=user).values_list("kind", flat=True))


def test_a_request_comes_from_a_match_and_stands_open(bob, far, space, rng):
    match = services.match(user=bob, specification=requirement(space, table(rng)), filters={})
    wanted = wanting.ask_for(owner=bob, match=match, title=" Flats ", task="classification", target="kind", words="soon", is_anonymous=True)
    assert wanted.is_open and wanted.match == match and wanted.space_id == space.id and wanted.title == "Flats" and wanted.before > 0.5


def test_what_is_published_holds_no_names_no_description_and_no_labels(bob, far, space, rng):
    frame = table(rng)
    wanted = ask(bob, space, frame, np.where(frame["area"] > 0, "house", "flat"))
    data = artifacts.read(wanted.specification_id)
    read = specs.Specification.from_bytes(data)
    assert b"bob" not in data.lower() and read.rkme.labels is None and read.semantic == {"task": "classification", "target": "kind"}


def test_only_who_brought_the_requirement_may_publish_it(bob, charlie, far, space, rng):
    match = services.match(user=bob, specification=requirement(space, table(rng)), filters={})
    nobodys = services.match(user=None, specification=requirement(space, table(rng)), filters={})
    for row in (match, nobodys):
        with pytest.raises(Refused) as refused:
            wanting.ask_for(owner=charlie, match=row, title="Flats", task="classification", target="kind")
        assert refused.value.status == 403
    assert not Wanted.objects.exists()


@pytest.mark.parametrize("changes", [{"title": "  "}, {"task": "magic"}, {"target": ""}, {"specification": b"{"}, {"specification": None}])
def test_a_request_that_says_too_little_is_refused_and_leaves_nothing(bob, far, space, rng, changes):
    before = Artifact.objects.count()
    with pytest.raises(Refused):
        ask(bob, space, table(rng), **changes)
    assert not Wanted.objects.exists() and Artifact.objects.count() == before


def test_a_person_has_a_bounded_number_of_open_requests(bob, wanted, space, rng, monkeypatch):
    monkeypatch.setattr(wanting, "MOST_OPEN", 1)
    with pytest.raises(Refused) as refused:
        ask(bob, space, table(rng))
    assert refused.value.status == 409
    wanting.close(wanted, bob)
    assert ask(bob, space, table(rng)).is_open


def test_near_misses_follow_the_catalog_and_the_reader(wanted, alice, bob, charlie, space, rng):
    assert [near.version.reference for near in wanting.near_misses(wanted, charlie)] == ["alice/far@1.0.0"]
    near = offered(alice, "near", space, table(rng, 0.1))
    found = wanting.near_misses(wanted, charlie)
    assert [n.version.reference for n in found] == ["alice/near@1.0.0", "alice/far@1.0.0"] and found[0].score.verdict in ("indistinguishable", "close") and found[0].coverage > 0.8
    private(near)
    for reader in (charlie, bob, None):
        assert [n.version.reference for n in wanting.near_misses(wanted, reader)] == ["alice/far@1.0.0"]
    assert len(wanting.near_misses(wanted, alice)) == 2


def test_a_version_serves_what_it_is_close_to(wanted, alice, space, rng):
    near = offered(alice, "near", space, table(rng, 0.1))
    assert [served.wanted for served in services.requests_served_by(near)] == [wanted]
    assert services.requests_served_by(offered(alice, "gone", space, table(rng, 8))) == []


def test_one_that_fits_in_part_serves_only_where_it_is_clearly_nearer_than_what_was_there(alice, bob, far, space, rng):
    wanted = ask(bob, space, table(rng))
    part = offered(alice, "part", space, table(rng, 1.2))
    assert wanting.beside(wanted, part).score.verdict == "partly" and [s.wanted for s in services.requests_served_by(part)] == [wanted]
    later = ask(bob, space, table(rng), title="Again")
    assert later.before < wanted.before
    twin = offered(alice, "twin", space, table(rng, 1.2))
    assert [s.wanted for s in services.requests_served_by(twin)] == [wanted]


def test_another_question_or_unit_is_not_served(alice, bob, far, space, rng):
    price = {"task": "regression", "target": "price"}
    wanted = ask(bob, space, table(rng), **price, unit="EUR")
    dollars, euros = (offered(alice, name, space, table(rng), **price, output={"kind": "value", "target": "price", "unit": unit}) for name, unit in (("usd", "USD"), ("eur", "EUR")))
    assert services.requests_served_by(dollars) == [] and [s.wanted for s in services.requests_served_by(euros)] == [wanted]
    assert services.requests_served_by(offered(alice, "kind", space, table(rng))) == []


def test_who_asked_and_who_offers_are_told_once(wanted, alice, bob, space, rng):
    near = offered(alice, "near", space, table(rng, 0.1))
    assert services.tell_of(near) == 1 and services.tell_of(near) == 1
    assert told(bob) == ["request-served"] and told(alice) == ["serves-requests"]
    notice = Notification.objects.get(recipient=bob)
    assert "alice/near@1.0.0" in notice.words and notice.address == wanted.get_absolute_url()


def test_nobody_is_told_of_a_model_that_they_may_not_see(wanted, alice, bob, space, rng):
    near = offered(alice, "near", space, table(rng, 0.1))
    private(near)
    services.tell_of(Version.objects.whole().get(pk=near.pk))
    assert told(bob) == []


def test_ones_own_model_is_no_news(wanted, bob, space, rng):
    services.tell_of(offered(bob, "mine", space, table(rng, 0.1)))
    assert told(bob) == []


def test_a_check_that_passes_rings_only_where_somebody_waits(wanted, alice, bob, space, rng, monkeypatch, django_capture_on_commit_callbacks):
    rung = []
    monkeypatch.setattr(tasks, "ring", rung.append)
    with django_capture_on_commit_callbacks(execute=True):
        near = offered(alice, "near", space, table(rng, 0.1))
    assert rung == [near.pk]
    wanting.close(wanted, bob)
    with django_capture_on_commit_callbacks(execute=True):
        Change.objects.create(version=near, space_id=space.id)
    assert rung == [near.pk]


def test_a_lost_doorbell_is_made_up_for_by_the_next_look(wanted, alice, bob, space, rng):
    offered(alice, "near", space, table(rng, 0.1))
    before = Wanted.objects.get(pk=wanted.pk).nearest
    assert wanting.look() == 1 and told(bob) == ["request-served"]
    assert Wanted.objects.get(pk=wanted.pk).nearest < before and wanting.look() == 0


def test_the_task_tells_of_a_version_and_shrugs_at_one_that_is_gone(wanted, alice, bob, space, rng):
    near = offered(alice, "near", space, table(rng, 0.1))
    tasks.tell_of(str(near.pk))
    tasks.tell_of("00000000-0000-0000-0000-000000000000")
    tasks.look()
    assert told(bob) == ["request-served"]


def test_a_request_is_met_once_by_its_owner_alone(wanted, alice, bob, charlie, space, rng):
    near = offered(alice, "near", space, table(rng, 0.1))
    with pytest.raises(Refused) as refused:
        wanting.close(wanted, charlie, near)
    assert refused.value.status == 403
    wanting.close(wanted, bob, near)
    assert wanted.state == "met" and wanted.met_by == near and wanted.ended and told(alice) == ["request-met"]
    with pytest.raises(Refused) as refused:
        wanting.close(wanted, bob)
    assert refused.value.status == 409


def test_what_can_not_meet_a_request_is_refused(wanted, alice, bob, space, rng):
    withdrawn = offered(alice, "old", space, table(rng), status=Version.Status.WITHDRAWN)
    elsewhere = offered(alice, "elsewhere", homes().from_table(table(rng), name="elsewhere"), table(rng))
    for version in (withdrawn, elsewhere):
        with pytest.raises(Refused):
            wanting.close(wanted, bob, version)
    with pytest.raises(Refused):
        wanting.named("alice/none@1.0.0", bob)
    assert Wanted.objects.get().is_open


def test_a_damaged_specification_leaves_the_board_readable(wanted, alice, space, rng, client):
    Wanted.objects.update(specification=Artifact.objects.create(sha256="0" * 64, size=1))
    assert wanting.near_misses(Wanted.objects.whole().get(), None) == []
    assert client.get("/requests/").status_code == 200 and client.get(wanted.get_absolute_url()).status_code == 200
    assert services.requests_served_by(offered(alice, "near", space, table(rng))) == []


# -- REST


def test_the_board_is_read_without_an_account_and_hides_who_asks(wanted, api, bob, far):
    listed = api().get("/api/v1/requests").json()
    assert listed["count"] == 1 and listed["results"][0]["owner"] == "bob" and listed["results"][0]["near_misses"][0]["reference"] == "alice/far@1.0.0"
    Wanted.objects.update(is_anonymous=True)
    for address in ("/api/v1/requests", f"/api/v1/requests/{wanted.pk}", f"/requests/{wanted.pk}/", f"/requests/{wanted.pk}/specification.json", "/requests/"):
        assert "bob" not in api().get(address).content.decode().lower().replace("bobs", ""), address


def test_a_request_is_made_and_closed_by_rest(api, bob, charlie, far, space, rng):
    document = json.loads(requirement(space, table(rng)))
    body = {"specification": document, "title": "Flats", "task": "classification", "target": "kind"}
    assert api().post("/api/v1/requests", body, format="json").status_code == 401
    assert api(bob, ("read",)).post("/api/v1/requests", body, format="json").status_code == 403
    made = api(bob).post("/api/v1/requests", body, format="json")
    assert made.status_code == 201 and made.json()["is_mine"] and made["Location"] == made.json()["url"]
    address = f"/api/v1/requests/{made.json()['id']}"
    assert api(charlie).post(f"{address}/close", {}, format="json").status_code == 403
    assert api(bob).post(f"{address}/close", {"met_by": "alice/none@1.0.0"}, format="json").json()["code"] == "unknown-learnware"
    closed = api(bob).post(f"{address}/close", {"met_by": "alice/far@1.0.0"}, format="json")
    assert closed.status_code == 200 and closed.json()["state"] == "met" and closed.json()["met_by"] == "alice/far@1.0.0"
    assert api(bob).post(f"{address}/close", {}, format="json").status_code == 409
    private(Version.objects.get())
    assert api(charlie).get(address).json()["met_by"] is None


def test_a_match_of_somebody_else_can_not_be_published_by_rest(api, bob, charlie, far, space, rng):
    match = services.match(user=bob, specification=requirement(space, table(rng)), filters={})
    body = {"match": str(match.pk), "title": "Flats", "task": "classification", "target": "kind"}
    assert api(charlie).post("/api/v1/requests", body, format="json").status_code == 404
    assert api(bob).post("/api/v1/requests", body, format="json").status_code == 201


@pytest.mark.parametrize("query", ["state=magic", "q=%00"])
def test_filters_that_make_no_sense_are_said(api, wanted, query):
    answer = api().get(f"/api/v1/requests?{query}")
    assert answer.status_code == 422 and answer.json()["code"] in ("bad-state", "bad-filter")


@pytest.mark.parametrize("body", [{}, {"title": "x" * 200}, {"specification": [], "title": "a", "task": "classification", "target": "b"}, {"title": "a", "task": "classification", "target": "b"}])
def test_a_body_that_makes_no_sense_is_a_clear_4xx(api, bob, far, body):
    answer = api(bob).post("/api/v1/requests", body, format="json")
    assert answer.status_code in (400, 422) and {"code", "message", "hint", "request_id"} <= set(answer.json())


def test_rows_of_the_board_are_narrowed_and_ordered(api, bob, wanted, space, rng):
    other = ask(bob, space, table(rng, 9), title="Halls", task="regression", target="price")
    names = lambda query: [row["title"] for row in api().get(f"/api/v1/requests?{query}").json()["results"]]  # noqa: E731
    assert names("") == ["Halls", "Flats of Bonn"] and names("sort=oldest") == ["Flats of Bonn", "Halls"]
    assert names("task=regression") == ["Halls"] and names("q=bonn flats") == ["Flats of Bonn"] and names("target=price") == ["Halls"] and names("q=nothing") == []
    assert names("sort=least") == ["Halls", "Flats of Bonn"]  # nobody predicts a price at all
    wanting.close(other, bob)
    assert names("state=closed") == ["Halls"]
