"""The catalog over REST: lists, facets, versions, files with ranges and digests, spaces."""

import hashlib

import numpy as np
import pytest

from marketplace.catalog.models import Version
from tests.marketplace.rows import homes, offered, table

pytestmark = pytest.mark.django_db


@pytest.fixture
def catalog(alice, bob):
    space, rng = homes(), np.random.default_rng(0)
    return [offered(alice, "flats", space, table(rng)), offered(bob, "houses", space, table(rng, 2.0), licence="MIT"),
            offered(bob, "prices", space, table(rng), task="regression", target="price", output={"kind": "value", "target": "price", "unit": "EUR"}, model=b"x" * 5000)]


def body(answer):
    return b"".join(answer.streaming_content)


def test_the_list_has_facets_with_counts(api, catalog):
    found = api().get("/api/v1/learnwares").json()
    assert found["count"] == 3 and found["facets"]["task"] == {"classification": 2, "regression": 1}
    assert found["facets"]["owner"] == {"bob": 2, "alice": 1}


@pytest.mark.parametrize(("query", "names"), [({"q": "flats"}, {"flats"}), ({"task": "regression"}, {"prices"}), ({"owner": "bob", "licence": "MIT"}, {"houses"}),
                                              ({"q": "nothing here"}, set()), ({"target": "price"}, {"prices"})])
def test_words_and_filters_narrow(api, catalog, query, names):
    assert {row["name"] for row in api().get("/api/v1/learnwares", query).json()["results"]} == names


def test_what_is_checked_refused_or_withdrawn_is_not_listed(api, catalog):
    for version, status in zip(catalog, ("checking", "refused", "withdrawn"), strict=True):
        Version.objects.filter(pk=version.pk).update(status=status, is_latest=False)
    assert api().get("/api/v1/learnwares").json()["count"] == 0


def test_a_file_comes_whole_with_its_digest(api, catalog):
    version = api().get("/api/v1/learnwares/bob/prices/1.0.0").json()
    file = next(f for f in version["files"] if "model" in f["name"])
    answer = api().get(file["url"])
    assert answer.status_code == 200 and hashlib.sha256(body(answer)).hexdigest() == file["sha256"]
    assert answer["ETag"] == f'"{file["sha256"]}"' and answer["Content-Disposition"].startswith("attachment")
    assert answer["X-Content-Type-Options"] == "nosniff" and answer["Repr-Digest"].startswith("sha-256=")


@pytest.mark.parametrize(("range", "status", "length", "content_range"), [
    ("bytes=0-99", 206, 100, "bytes 0-99/5000"), ("bytes=4990-", 206, 10, "bytes 4990-4999/5000"), ("bytes=-10", 206, 10, "bytes 4990-4999/5000"),
    ("bytes=4990-9999", 206, 10, "bytes 4990-4999/5000"), ("bytes=5000-", 416, None, None), ("lines=1-2", 200, 5000, None),
    (f"bytes=0-{'9' * 19}", 206, 5000, "bytes 0-4999/5000"), (f"bytes={'9' * 5000}-", 200, 5000, None), (f"bytes=0-{'9' * 5000}", 200, 5000, None), (f"bytes=-{'9' * 5000}", 200, 5000, None),
    ("bytes=\u0661-\u0665", 200, 5000, None),
])
def test_ranges(api, catalog, range, status, length, content_range):
    url = next(f["url"] for f in api().get("/api/v1/learnwares/bob/prices").json()["files"] if "model" in f["name"])
    answer = api().get(url, HTTP_RANGE=range)
    assert answer.status_code == status
    if length:
        assert len(body(answer)) == length and answer.get("Content-Range") == content_range


def test_whole_downloads_are_counted(api, catalog):
    url = next(f["url"] for f in api().get("/api/v1/learnwares/bob/prices").json()["files"] if "model" in f["name"])
    etag = api().get(url)["ETag"]
    api().get(url, HTTP_RANGE="bytes=100-")
    api().get(url, HTTP_IF_NONE_MATCH=etag)
    assert api().get("/api/v1/learnwares/bob/prices").json()["downloads"] == 1


def test_who_has_it_gets_304_and_a_changed_file_comes_whole(api, catalog):
    url = next(f["url"] for f in api().get("/api/v1/learnwares/bob/prices").json()["files"] if "model" in f["name"])
    etag = api().get(url)["ETag"]
    assert api().get(url, HTTP_IF_NONE_MATCH=etag).status_code == 304
    assert api().get(url, HTTP_RANGE="bytes=0-9", HTTP_IF_RANGE='"other"').status_code == 200
    assert api().get(url, HTTP_RANGE="bytes=0-9", HTTP_IF_RANGE=etag).status_code == 206


@pytest.mark.parametrize("path", ["learnwares/alice/nothing", "learnwares/nobody/flats", "learnwares/alice/flats/9.9.9", "learnwares/alice/flats/1.0.0/files/..%2f..%2fsettings.py",
                                  "learnwares/alice/flats/1.0.0/files/other.bin", "spaces/zzz", "jobs/not-a-uuid", "nothing"])
def test_what_is_not_there_is_404_in_the_one_shape(api, alice, catalog, path):
    answer = api(alice).get(f"/api/v1/{path}")
    assert answer.status_code == 404
    if answer["Content-Type"].startswith("application/json"):
        assert set(answer.json()) >= {"code", "message", "hint", "request_id"}


def test_a_space_is_found_by_the_columns_of_a_table(api, catalog):
    space = homes()
    columns = space.columns_of(table(np.random.default_rng(3)))
    found = api().post("/api/v1/spaces/find", {"columns": columns}, format="json").json()
    assert [s["id"] for s in found["fits"]] == [space.id] and found["fits"][0]["learnwares"] == 3
    assert api().get(f"/api/v1/spaces/{space.id}").json()["space"]["columns"]


def test_the_nearest_space_is_named_with_what_stands_between(api, catalog):
    columns = [{"name": "area", "type": "categorical"}, {"name": "rooms", "type": "numeric"}, {"name": "colour", "type": "numeric"}]
    found = api().post("/api/v1/spaces/find", {"columns": columns}, format="json").json()
    assert found["fits"] == [] and found["nearest"][0]["missing"] == ["town"]
    assert found["nearest"][0]["extra"] == ["colour"] and found["nearest"][0]["wrong_type"] == ["area"]


@pytest.mark.parametrize("columns", [None, {}, "area", [1], [{"name": 3}], [{"name": "a", "type": "date"}], [{"name": "a", "type": "numeric"}] * 100_000])
def test_columns_that_are_none_are_refused(api, catalog, columns):
    answer = api().post("/api/v1/spaces/find", {"columns": columns}, format="json")
    assert answer.status_code in (400, 413, 422) and answer.json()["message"]


def test_withdrawing_is_for_the_owner_and_keeps_the_page(api, alice, bob, catalog):
    path = "/api/v1/learnwares/alice/flats/1.0.0"
    assert api(bob).post(f"{path}/withdraw").status_code in (403, 404)
    assert api(alice).post(f"{path}/withdraw").status_code == 200
    assert api().get("/api/v1/learnwares").json()["count"] == 2
    assert api().get(path).json()["status"] == "withdrawn"
    assert api(alice).post(f"{path}/withdraw").status_code == 409


