"""The doors of the Hugging Face client: shapes, revisions, who may have what. The real client goes through them in tests/journeys/test_hub.py."""

import hashlib
import json
from datetime import datetime

import numpy as np
import pytest
import yaml

from marketplace.catalog.models import AccessRequest, Learnware, Share, Version
from tests.marketplace import rows
from tests.marketplace.rows import homes, offered, table

pytestmark = pytest.mark.django_db


def manifest(name, number="1.0.0", **changes):
    return {"name": name, "version": number, "output": {"kind": "classes", "target": "kind", "classes": ["flat", "house"]}, "card": f"# {name}\n\nWords — more.", "scenario": ["homes"],
            "base": None, "model": {"file": "model.safetensors", "architecture": {"name": "linear", "config": {"inputs": 4, "outputs": 2}}}} | changes


@pytest.fixture(scope="module")
def space():
    return homes()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The doors never open a specification, so none is made."""
    monkeypatch.setattr(rows, "requirement", lambda *args, **words: b'{"a": "specification"}')


@pytest.fixture
def flats(alice, space):
    """Two versions of alice/flats."""
    rng = np.random.default_rng(0)
    first = offered(alice, "flats", space, table(rng, n=60), model=b"a" * 5000, manifest=manifest("flats"))
    second = offered(alice, "flats", space, table(rng, n=60), number="1.2.0", model=b"b" * 5000, manifest=manifest("flats", "1.2.0"))
    return first, second


@pytest.fixture
def bearer(api):
    """bearer(user, scopes) -> a client that signs as theirs does."""

    def client(user, scopes=("read",)):
        made = api(user, scopes)
        made.credentials(HTTP_AUTHORIZATION=made._credentials["HTTP_AUTHORIZATION"].replace("Token ", "Bearer "))
        return made

    return client


def body(answer):
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def test_a_learnware_is_a_repository_with_its_files_and_its_card(api, flats):
    said = api().get("/api/models/alice/flats", {"blobs": "true"}).json()
    assert said["id"] == "alice/flats" and said["author"] == "alice" and said["private"] is False and said["gated"] is False
    assert {"license:apache-2.0", "safetensors", "tabular-classification", "homes"} <= set(said["tags"]) and said["library_name"] == "moorage"
    assert said["cardData"]["license"] == "apache-2.0" and said["config"]["model_type"] == "linear"
    sizes = {file["rfilename"]: file["size"] for file in said["siblings"]}
    assert sizes["model.safetensors"] == 5000 and set(sizes) == {"README.md", "config.json", "learnware.json", "model.safetensors", "specification.json"}


@pytest.mark.parametrize("path", ["README.md", "config.json", "learnware.json", "model.safetensors", "specification.json"])
def test_every_file_is_what_the_tree_says(api, flats, path):
    tree = {row["path"]: row for row in api().get("/api/models/alice/flats/tree/main").json()}
    head, whole = api().head(f"/alice/flats/resolve/main/{path}"), api().get(f"/alice/flats/resolve/main/{path}")
    content = body(whole)
    digest = hashlib.sha256(content).hexdigest()
    assert head.status_code == whole.status_code == 200 and int(head["Content-Length"]) == len(content) == tree[path]["size"] and body(head) == b""
    assert head["ETag"] == head["X-Linked-Etag"] == f'"{digest}"' and tree[path]["lfs"]["oid"] == digest and int(head["X-Linked-Size"]) == len(content)
    assert head["X-Repo-Commit"] == api().get("/api/models/alice/flats").json()["sha"]
    assert whole["X-Content-Type-Options"] == "nosniff" and whole["Content-Disposition"].startswith("attachment")


def test_the_readme_has_front_matter_that_yaml_reads(api, flats):
    _, front, card = body(api().get("/alice/flats/resolve/main/README.md")).decode().split("---\n", 2)
    assert yaml.safe_load(front) == {"license": "apache-2.0", "library_name": "moorage", "pipeline_tag": "tabular-classification",
                                     "tags": ["moorage", "learnware", "safetensors", "classification", "homes"]}
    assert card == "\n# flats\n\nWords — more.\n"


def test_ranges_and_what_one_has_already(api, flats):
    part = api().get("/alice/flats/resolve/main/model.safetensors", HTTP_RANGE="bytes=4990-")
    assert part.status_code == 206 and body(part) == b"b" * 10 and part["Content-Range"] == "bytes 4990-4999/5000" and part["X-Repo-Commit"]
    for path in ("model.safetensors", "README.md"):
        etag = api().head(f"/alice/flats/resolve/main/{path}")["ETag"]
        assert api().get(f"/alice/flats/resolve/main/{path}", HTTP_IF_NONE_MATCH=etag).status_code == 304
    assert api().get("/alice/flats/resolve/main/model.safetensors", HTTP_RANGE="bytes=9000-").json()["code"] == "wrong-range"
    assert api().get("/alice/flats/resolve/main/model.safetensors", HTTP_RANGE=f"bytes={'9' * 5000}-").status_code == 200


@pytest.mark.parametrize(("revision", "number"), [("main", "1.2.0"), ("1.2.0", "1.2.0"), ("v1.2.0", "1.2.0"), ("1.0.0", "1.0.0"), ("v1.0.0", "1.0.0"), ("refs/tags/v1.0.0", "1.0.0")])
def test_revisions(api, flats, revision, number):
    said = api().get(f"/api/models/alice/flats/revision/{revision}").json()
    content = body(api().get(f"/alice/flats/resolve/{said['sha']}/model.safetensors"))
    assert content == {"1.0.0": b"a", "1.2.0": b"b"}[number] * 5000
    assert api().get(f"/api/models/alice/flats/revision/{said['sha']}").json()["sha"] == said["sha"]


def test_a_commit_is_of_the_content_and_stays(api, flats):
    first = api().get("/api/models/alice/flats/revision/1.0.0").json()["sha"]
    refs = api().get("/api/models/alice/flats/refs").json()
    assert len(first) == 40 and {tag["name"]: tag["targetCommit"] for tag in refs["tags"]}["v1.0.0"] == first and refs["branches"][0]["targetCommit"] != first
    Learnware.objects.update(card="# Another", likes_count=3)
    assert api().get("/api/models/alice/flats/revision/1.0.0").json()["sha"] == first
    commits = api().get("/api/models/alice/flats/commits/main").json()
    assert [row["title"] for row in commits] == ["Version 1.2.0", "Version 1.0.0"] and all(datetime.strptime(row["date"], "%Y-%m-%dT%H:%M:%S.%fZ") for row in commits)


@pytest.mark.parametrize(("path", "code"), [
    ("/api/models/alice/none", "RepoNotFound"), ("/api/models/flats", "RepoNotFound"), ("/flats/resolve/main/config.json", "RepoNotFound"), ("/alice/none/resolve/main/a", "RepoNotFound"),
    ("/api/models/alice/flats/revision/9.9.9", "RevisionNotFound"), ("/api/models/alice/flats/revision/refs/pr/1", "RevisionNotFound"), ("/alice/flats/resolve/dev/README.md", "RevisionNotFound"),
    (f"/api/models/alice/flats/tree/{'0' * 40}", "RevisionNotFound"), ("/alice/flats/resolve/main/tokenizer.json", "EntryNotFound"), ("/alice/flats/resolve/main/a/../../b", "EntryNotFound"),
    ("/api/models/alice/flats/tree/main/folder", "EntryNotFound"), ("/alice/flats/resolve/main/%C3%A9t%C3%A9%20.bin", "EntryNotFound"),
])
def test_what_is_not_there_says_so_in_their_words_and_in_ours(api, flats, path, code):
    answer = api().get(path)
    assert answer.status_code == 404 and answer["X-Error-Code"] == code and set(answer.json()) == {"code", "message", "hint", "request_id"} and answer["X-Error-Message"]
    assert api().head(path)["X-Error-Code"] == code


def test_a_private_one_is_nowhere_for_others(bearer, api, flats, alice, bob, charlie):
    Learnware.objects.update(visibility=Learnware.Visibility.PRIVATE)
    Share.objects.create(learnware=flats[0].learnware, user=bob)
    for client in (api(), bearer(charlie)):
        assert client.get("/api/models").json() == []
        for path in ("/api/models/alice/flats", "/api/models/alice/flats/refs", "/api/models/alice/flats/tree/main", "/alice/flats/resolve/main/README.md", "/api/models/alice/flats/auth-check"):
            assert client.get(path)["X-Error-Code"] == "RepoNotFound"
    for client in (bearer(alice), bearer(bob)):
        assert client.get("/api/models/alice/flats").json()["private"] is True and client.get("/alice/flats/resolve/main/README.md").status_code == 200


def test_a_gated_one_is_seen_and_its_files_are_not(bearer, api, flats, alice, bob, charlie):
    Learnware.objects.update(is_gated=True)
    AccessRequest.objects.create(learnware=flats[0].learnware, user=bob, state="granted")
    AccessRequest.objects.create(learnware=flats[0].learnware, user=charlie)
    for client in (api(), bearer(charlie)):
        assert client.get("/api/models/alice/flats").json()["gated"] == "manual" and client.get("/api/models").json()[0]["id"] == "alice/flats"
        for path in ("/alice/flats/resolve/main/model.safetensors", "/alice/flats/resolve/main/README.md", "/api/models/alice/flats/auth-check"):
            answer = client.get(path)
            assert (answer.status_code, answer["X-Error-Code"], answer.json()["code"]) == (403, "GatedRepo", "gated")
    for client in (bearer(alice), bearer(bob)):
        assert client.get("/alice/flats/resolve/main/model.safetensors").status_code == 200
    assert api().get("/api/models", {"gated": "False"}).json() == []


def test_whatever_is_not_usable_is_no_revision(bearer, flats, alice):
    Version.objects.filter(number="1.2.0").update(status="withdrawn", is_latest=False)
    assert bearer(alice).get("/alice/flats/resolve/1.2.0/README.md")["X-Error-Code"] == "RevisionNotFound"
    assert bearer(alice).get("/api/models/alice/flats")["X-Error-Code"] == "RevisionNotFound"
    Version.objects.update(status="checking")
    assert bearer(alice).get("/api/models/alice/flats")["X-Error-Code"] == "RepoNotFound"


def test_who_one_is(bearer, api, alice):
    said = bearer(alice, ("read", "upload")).get("/api/whoami-v2").json()
    assert said["name"] == "alice" and said["auth"]["accessToken"] == said["auth"]["accessToken"] | {"displayName": "test", "role": "write"} and said["orgs"] == []
    assert api().get("/api/whoami-v2").status_code == 401
    assert bearer(alice, ("run",)).get("/api/whoami-v2").status_code == 403


@pytest.mark.parametrize("header", ["Bearer moor_wrong", "Bearer", "Bearer a b", "Bearer \xff", "bearer hf_abcdef"])
def test_a_wrong_token_is_401_and_never_anonymous(api, flats, header):
    client = api()
    client.credentials(HTTP_AUTHORIZATION=header)
    answer = client.get("/api/models/alice/flats")
    assert answer.status_code == 401 and answer["X-Error-Message"] == "Invalid credentials in Authorization header" and answer["WWW-Authenticate"] == "Bearer"


@pytest.fixture
def shelf(alice, bob, space):
    rng = np.random.default_rng(1)
    for i, (owner, name) in enumerate([(alice, "a-flats"), (bob, "b-houses"), (bob, "c-prices")]):
        version = offered(owner, name, space, table(rng, n=60), licence="MIT" if i == 1 else "Apache-2.0", format="onnx" if i == 2 else "safetensors", manifest=manifest(name))
        Version.objects.filter(pk=version.pk).update(downloads=(5, 9, 1)[i])
        Learnware.objects.filter(pk=version.learnware_id).update(likes_count=(2, 0, 7)[i])


@pytest.mark.parametrize(("query", "names"), [
    ({}, ["c-prices", "b-houses", "a-flats"]), ({"author": "bob"}, ["c-prices", "b-houses"]), ({"search": "flats"}, ["a-flats"]), ({"search": "bob/b-hou"}, ["b-houses"]),
    ({"sort": "downloads"}, ["b-houses", "a-flats", "c-prices"]), ({"sort": "likes"}, ["c-prices", "a-flats", "b-houses"]), ({"sort": "createdAt", "direction": "1"}, ["a-flats", "b-houses", "c-prices"]),
    ({"filter": "license:mit"}, ["b-houses"]), ({"filter": ["onnx", "tabular-classification"]}, ["c-prices"]), ({"pipeline_tag": "tabular-regression"}, []), ({"sort": "nonsense"}, ["c-prices", "b-houses", "a-flats"]),
    ({"filter": "license:odbl"}, []), ({"filter": "base_model:alice/none"}, []), ({"filter": "learnware,onnx"}, ["c-prices"]),
])
def test_the_list_by_words_owner_tags_and_order(api, shelf, query, names):
    assert [row["id"].partition("/")[2] for row in api().get("/api/models", query).json()] == names


def test_pages_follow_by_the_link_header(api, shelf):
    first = api().get("/api/models", {"limit": 2})
    assert len(first.json()) == 2 and first["Link"].endswith('>; rel="next"')
    second = api().get(first["Link"][1:].partition(">")[0])
    assert len(second.json()) == 1 and "Link" not in second
    assert api().get("/api/models", {"limit": "many"}).json()["code"] == "wrong-number"
    assert "siblings" in api().get("/api/models", {"full": "true"}).json()[0] and "siblings" not in first.json()[0]


def test_paths_info_tells_of_those_that_are_there(api, flats):
    found = api().post("/api/models/alice/flats/paths-info/main", "paths=README.md&paths=none&expand=False", content_type="application/x-www-form-urlencoded").json()
    assert [row["path"] for row in found] == ["README.md"]
    assert api().post("/api/models/alice/flats/paths-info/main", {"paths": ["learnware.json", 7]}, format="json").json()[0]["path"] == "learnware.json"


@pytest.mark.parametrize("sent", [{"paths": {"a": 1}}, {"paths": 5}, {"paths": None}, {"paths": [["README.md"], None, {}]}, {"paths": True}, {}, ["README.md"], 5, None, "README.md"])
def test_paths_that_are_no_texts_name_no_file(api, flats, sent):
    answer = api().generic("POST", "/api/models/alice/flats/paths-info/main", json.dumps(sent), content_type="application/json")
    assert answer.status_code == 200 and answer.json() == []


def test_one_path_may_come_as_a_text(api, flats):
    assert [row["path"] for row in api().post("/api/models/alice/flats/paths-info/main", {"paths": "README.md"}, format="json").json()] == ["README.md"]


def test_a_download_counts_once_and_a_rest_of_one_does_not(api, flats):
    for headers in ({}, {"HTTP_RANGE": "bytes=10-"}):
        body(api().get("/alice/flats/resolve/main/model.safetensors", **headers))
    api().head("/alice/flats/resolve/main/model.safetensors")
    assert Version.objects.get(number="1.2.0").downloads == 1


def test_no_page_is_shadowed(client, alice, space):
    offered(alice, "resolve", space, table(np.random.default_rng(0), n=60), manifest=manifest("resolve") | {"input": {"space": space.id, "takes": "columns"}, "evaluation": {}})
    answer = client.get("/learnwares/alice/resolve/1.0.0/status/")
    assert answer.resolver_match.url_name == "version-status"
    assert client.get("/learnwares/alice/resolve/").resolver_match.url_name == "learnware"


def test_an_ancestor_that_one_may_not_see_is_not_named(bearer, api, flats, alice, bob, space):
    base = offered(bob, "secret", space, table(np.random.default_rng(2), n=60), manifest=manifest("secret"))
    Version.objects.filter(number="1.2.0").update(base=base, manifest=manifest("flats", "1.2.0", base={"learnware": "bob/secret@1.0.0"}, parents=[]))
    Learnware.objects.filter(name="secret").update(visibility=Learnware.Visibility.PRIVATE)
    for client, named in ((bearer(bob), True), (api(), False)):
        said = client.get("/api/models/alice/flats").json()
        readme = body(client.get("/alice/flats/resolve/main/README.md")).decode()
        assert [("bob/secret" in text) for text in (str(said), readme)] == [named, named]
        assert len(client.get("/api/models", {"filter": "base_model:bob/secret"}).json()) == int(named)


@pytest.mark.parametrize("path", ["/api/models/alice/fl%00ats", "/api/models?search=%00", "/alice/flats/resolve/main/%00", "/api/models?author=a%00"])
def test_a_zero_character_is_refused(api, flats, path):
    assert api().get(path).json()["code"] == "bad-text"
