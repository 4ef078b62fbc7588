"""Who sees what: every door, held against a table of visitors, for a private and for a gated learnware."""

import numpy as np
import pytest
from django.test import Client

from marketplace.accounts import organisations
from marketplace.catalog import access
from marketplace.catalog.models import AccessRequest, Version
from marketplace.matching import index
from tests.marketplace.rows import homes, join, offered, requirement, table

pytestmark = pytest.mark.django_db
VISITORS = ("anonymous", "stranger", "owner", "guest", "reader", "writer", "staff")
OUTSIDE = ("anonymous", "stranger")
MODEL, SPECIFICATION, MANIFEST = (f"/api/v1/learnwares/harbour/crane/1.0.0/files/{name}" for name in ("model.bin", "specification.json", "learnware.json"))


@pytest.fixture(autouse=True)
def fresh_index():
    index.forget()
    yield
    index.forget()


@pytest.fixture
def people(alice, bob, charlie, django_user_model):
    """Alice is the admin of the harbour, Bob its guest (shared with, or let in), Charlie a stranger."""
    made = {name: django_user_model.objects.create_user(name) for name in ("rita", "wanda", "stan")}
    made["stan"].is_staff = True
    made["stan"].save()
    harbour = organisations.create(by=alice, username="harbour")
    join(harbour, alice, username="rita", role="reader")
    join(harbour, alice, username="wanda", role="writer")
    return {"owner": alice, "guest": bob, "stranger": charlie, "reader": made["rita"], "writer": made["wanda"], "staff": made["stan"], "harbour": harbour, "anonymous": None}


@pytest.fixture
def crane(people):
    """The harbour's learnware, in a space of its own; a public one stands in another space."""
    rng, space = np.random.default_rng(4), homes()
    offered(people["owner"], "open", space, table(rng))
    return offered(people["harbour"], "crane", space.from_table(table(rng, n=50), name="quays"), table(rng, 1.0))


@pytest.fixture
def doors(api, people):
    """doors(visitor) -> (client of the API, client of the pages)."""
    made = {}

    def both(visitor):
        if visitor not in made:
            page = Client(raise_request_exception=False)
            if people[visitor] is not None:
                page.force_login(people[visitor])
            made[visitor] = api(people[visitor]), page
        return made[visitor]

    return both


def body(answer) -> str:
    return (b"".join(answer.streaming_content) if answer.streaming else answer.content).decode(errors="replace")


def held_against(expected: dict, ask) -> list[str]:
    """Which visitors get something else than the table says."""
    found = {visitor: ask(visitor) for visitor in expected}
    return [f"{visitor}: {found[visitor]!r}, not {expected[visitor]!r}" for visitor in expected if found[visitor] != expected[visitor]]


def all_of(outside, inside, **others) -> dict:
    return {visitor: outside if visitor in OUTSIDE else inside for visitor in VISITORS} | others


@pytest.fixture
def private(crane, people):
    access.change(crane.learnware, people["owner"], visibility="private", shared_with=["bob"])
    return crane


@pytest.fixture
def gated(crane, people):
    access.change(crane.learnware, people["owner"], gated=True)
    access.decide(access.ask(crane.learnware, people["guest"], "For the ships."), people["writer"], "granted")
    return crane


PAGES = ("/learnwares/harbour/crane/", "/learnwares/harbour/crane/1.0.0/")
READ = ("/api/v1/learnwares/harbour/crane", "/api/v1/learnwares/harbour/crane/1.0.0", "/api/v1/learnwares/harbour/crane/ask", SPECIFICATION, MANIFEST)


def test_a_private_learnware_is_not_there_for_strangers(doors, private):
    for path in PAGES:
        assert not held_against(all_of(404, 200), lambda visitor, path=path: doors(visitor)[1].get(path).status_code), path
    for path in (*READ, MODEL):
        assert not held_against(all_of(404, 200), lambda visitor, path=path: doors(visitor)[0].get(path).status_code), path
    post = {"anonymous": 401, "stranger": 404, "guest": 409, "owner": 409}
    assert not held_against(post, lambda visitor: doors(visitor)[0].post("/api/v1/learnwares/harbour/crane/ask").status_code)


def test_searches_counts_facets_and_spaces_leave_a_private_one_out_for_strangers(doors, private):
    def listed(visitor):
        said = doors(visitor)[0].get("/api/v1/learnwares").json()
        return said["count"], said["facets"]["owner"].get("harbour", 0), len(said["facets"]["space"])

    def spaces(visitor):
        return {row["name"]: row["learnwares"] for row in doors(visitor)[0].get("/api/v1/spaces").json()}.get("quays")

    def space(visitor):
        return doors(visitor)[0].get(f"/api/v1/spaces/{private.space_id}").json()["learnwares"]

    assert not held_against(all_of((1, 0, 1), (2, 1, 2)), listed)
    assert not held_against(all_of(None, 1), spaces)
    assert not held_against(all_of(0, 1), space)
    for path in ("/", "/explore/", "/people/harbour/", f"/spaces/{private.space_id}/"):
        assert not held_against(all_of(False, True), lambda visitor, path=path: "harbour/crane" in body(doors(visitor)[1].get(path))), path


def test_matching_finds_a_private_one_only_for_who_sees_it_and_a_link_shows_no_more(doors, people, private):
    asked = {"specification": private_requirement(private)}
    found, ways = {}, ("singles", "members")

    def names(answer):
        return {row["reference"] for way in ways for row in (answer["mixture"]["members"] if way == "members" else answer["singles"])}

    def match(visitor):
        answer = doors(visitor)[0].post("/api/v1/matches", asked, format="json").json()
        found[visitor] = answer["id"]
        return "harbour/crane@1.0.0" in names(answer)

    assert not held_against(all_of(False, True), match)
    through = f"/api/v1/matches/{found['owner']}"
    assert not held_against(all_of(False, True), lambda visitor: "harbour/crane" in body(doors(visitor)[0].get(through)))
    page = f"/matches/{found['owner']}/"
    if doors("owner")[1].get(page).status_code == 200:
        assert not held_against(all_of(False, True), lambda visitor: "harbour/crane" in body(doors(visitor)[1].get(page)))


def private_requirement(version: Version) -> dict:
    import json

    import specs

    return json.loads(requirement(specs.Space.from_json(version.space.document), table(np.random.default_rng(8), 1.0)))


def job(doors, visitor, **wish):
    answer = doors(visitor)[0].post("/api/v1/jobs", {"method": "ensemble/mean", **wish}, format="json")
    return answer.status_code, answer.json().get("code", "")


def test_a_private_member_of_a_job_is_unknown_to_strangers(doors, private):
    wish = {"members": [{"reference": "harbour/crane@1.0.0"}]}
    expected = all_of((422, "bad-members"), (202, "")) | {"anonymous": (401, "not-signed-in")}
    assert not held_against(expected, lambda visitor: job(doors, visitor, **wish))


def test_a_job_on_somebody_elses_match_takes_what_its_own_owner_may_use(doors, people, private):
    match = doors("owner")[0].post("/api/v1/matches", {"specification": private_requirement(private)}, format="json").json()["id"]
    assert not held_against({"owner": (202, ""), "guest": (202, ""), "stranger": (422, "nothing-to-reuse")}, lambda visitor: job(doors, visitor, match=match))
    proposal = f"/api/v1/matches/{match}/members"
    assert not held_against(all_of(422, 200), lambda visitor: doors(visitor)[0].get(proposal).status_code)


def test_only_who_writes_for_the_owner_decides(doors, private):
    path = "/api/v1/learnwares/harbour/crane/access"
    expected = {"anonymous": 401, "stranger": 404, "guest": 403, "reader": 403, "writer": 200, "owner": 200, "staff": 200}
    assert not held_against(expected, lambda visitor: doors(visitor)[0].get(path).status_code)
    assert not held_against(expected, lambda visitor: doors(visitor)[0].put(path, {"gated": False}, format="json").status_code)
    pages = expected | {"anonymous": 302}
    assert not held_against(pages, lambda visitor: doors(visitor)[1].get("/learnwares/harbour/crane/access/").status_code)
    post = {"stranger": 404, "guest": 403, "reader": 403, "anonymous": 401}
    assert not held_against(post, lambda visitor: doors(visitor)[0].post("/api/v1/learnwares/harbour/crane/1.0.0/withdraw").status_code)
    assert doors("writer")[0].post("/api/v1/learnwares/harbour/crane/1.0.0/withdraw").status_code == 200


def test_everybody_reads_a_gated_one_and_who_was_let_in_has_its_files(doors, gated):
    for path in PAGES:
        assert not held_against(all_of(200, 200), lambda visitor, path=path: doors(visitor)[1].get(path).status_code), path
    for path in READ:
        assert not held_against(all_of(200, 200), lambda visitor, path=path: doors(visitor)[0].get(path).status_code), path
    assert not held_against(all_of(403, 200), lambda visitor: doors(visitor)[0].get(MODEL).status_code)
    said = doors("stranger")[0].get(MODEL).json()
    assert said["code"] == "gated" and "/learnwares/harbour/crane/ask/" in said["hint"] and set(said) == {"code", "message", "hint", "request_id"}
    assert doors("stranger")[0].head(MODEL).status_code == 403
    statistics = MODEL.replace("model.bin", "statistics.safetensors")
    assert not held_against({"anonymous": 403, "stranger": 403, "guest": 404}, lambda visitor: doors(visitor)[0].get(statistics).status_code)


def test_a_gated_one_is_found_with_its_badge_and_mixed_only_for_who_may_use_it(doors, gated):
    def match(visitor):
        answer = doors(visitor)[0].post("/api/v1/matches", {"specification": private_requirement(gated)}, format="json").json()
        return [(row["reference"], row["gated"]) for row in answer["singles"]], bool(answer["mixture"]["members"])

    single = [("harbour/crane@1.0.0", True)]
    assert not held_against(all_of((single, False), (single, True)), match)
    assert not held_against(all_of(2, 2), lambda visitor: doors(visitor)[0].get("/api/v1/learnwares").json()["count"])


def test_a_job_with_a_gated_member_is_refused_by_name_with_the_address_to_ask(doors, gated):
    wish = {"members": [{"reference": "harbour/crane"}]}
    expected = all_of((403, "gated"), (202, "")) | {"anonymous": (401, "not-signed-in")}
    assert not held_against(expected, lambda visitor: job(doors, visitor, **wish))
    said = doors("stranger")[0].post("/api/v1/jobs", wish, format="json").json()
    assert "harbour/crane@1.0.0" in said["message"] and "/learnwares/harbour/crane/ask/" in said["hint"]
    match = doors("owner")[0].post("/api/v1/matches", {"specification": private_requirement(gated)}, format="json").json()["id"]
    assert job(doors, "stranger", match=match) == (403, "gated")


def test_lineage_and_manifest_name_no_parent_that_the_reader_does_not_see(doors, people, private):
    rng = np.random.default_rng(5)
    child = offered(people["owner"], "child", homes(), table(rng), manifest={
        "output": {"kind": "classes", "target": "kind", "classes": ["flat", "house"]}, "model": {"file": "model.bin"},
        "parents": ["harbour/crane@1.0.0"], "base": {"learnware": "harbour/crane@1.0.0"},
    })
    child.parents.add(private)
    Version.objects.filter(pk=child.pk).update(base=private)
    for path in ("/api/v1/learnwares/alice/child/1.0.0", "/api/v1/learnwares/alice/child/1.0.0/files/learnware.json"):
        assert not held_against(all_of(False, True), lambda visitor, path=path: "harbour/crane" in body(doors(visitor)[0].get(path))), path
    assert not held_against(all_of(False, True), lambda visitor: "harbour/crane" in body(doors(visitor)[1].get("/learnwares/alice/child/")))


def test_when_the_door_closes_again_it_is_closed(doors, people, private):
    access.unshare(private.learnware, people["owner"], "bob")
    organisations.remove(people["harbour"], people["owner"], username="rita")
    expected = {"guest": 404, "reader": 404, "writer": 200}
    assert not held_against(expected, lambda visitor: doors(visitor)[0].get("/api/v1/learnwares/harbour/crane").status_code)


def test_a_grant_that_is_taken_back_ends(doors, people, gated):
    access.decide(AccessRequest.objects.get(user=people["guest"]), people["owner"], "denied")
    assert not held_against({"guest": 403, "reader": 200}, lambda visitor: doors(visitor)[0].get(MODEL).status_code)


def test_shared_with_an_organisation_is_shared_with_its_members(doors, people, crane):
    mine = offered(people["owner"], "pilot", homes(), table(np.random.default_rng(6)))
    access.change(mine.learnware, people["owner"], visibility="private", shared_with=["harbour"])
    assert not held_against(all_of(404, 200, guest=404), lambda visitor: doors(visitor)[0].get("/api/v1/learnwares/alice/pilot").status_code)


def test_a_token_that_may_not_read_sees_what_everybody_sees(api, people, private):
    held = api(people["owner"], ["upload"])
    assert {held.get(path).status_code for path in (*READ, MODEL, "/api/models/harbour/crane", "/harbour/crane/resolve/main/README.md")} == {404}
    assert held.get("/api/v1/learnwares").json()["count"] == 1 and "quays" not in held.get("/api/v1/spaces").content.decode()
    assert held.get("/api/v1/learnwares/alice/open").status_code == 200
