"""Learnwares side by side: differences first, distances where one space holds them, words where they can not be compared."""

import numpy as np
import pytest
from django.http import QueryDict

import specs
from marketplace.catalog import comparing
from marketplace.catalog.models import Learnware
from marketplace.errors import Refused
from tests.marketplace.rows import homes, offered, table


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.fixture
def catalog(alice, rng):
    space = homes()
    return [offered(alice, "near", space, table(rng), licence="MIT"), offered(alice, "like", space, table(rng, 0.1)), offered(alice, "far", space, table(rng, 4.0), format="onnx")]


def compared(versions):
    return comparing.spots(comparing.find(None, [version.reference for version in versions]))


def test_what_differs_stands_apart_from_what_is_equal(catalog):
    differs, equal = comparing.facts(compared(catalog))
    said = {row["title"]: row["said"] for row in differs}
    assert said["Licence"] == ["MIT", "Apache-2.0", "Apache-2.0"] and said["Format"] == ["safetensors", "safetensors", "onnx"]
    assert {"Task", "Space", "Classes"} <= {row["title"] for row in equal}


def test_distances_are_those_of_the_specifications(catalog):
    spots = compared(catalog)
    table = comparing.distances(spots)["tables"][0]
    exact = specs.squared_mmd(spots[0].spec.rkme, spots[2].spec.rkme) ** 0.5
    assert table["mmd"][0]["cells"][2]["value"] == pytest.approx(exact) == pytest.approx(table["mmd"][2]["cells"][0]["value"])
    assert table["mmd"][0]["cells"][1]["shade"] < table["mmd"][0]["cells"][2]["shade"]
    assert table["columns"][0]["name"] == "area" and len(table["columns"][0]["sides"]) == 3
    assert str(table["plot"]).count('class="who-3"') > 3


def test_other_spaces_have_no_distance(catalog, alice, rng):
    alone = offered(alice, "sea", specs.Space.from_table({"depth": rng.normal(size=60)}, name="sea"), {"depth": rng.normal(size=60)})
    found = comparing.distances(compared([*catalog[:2], alone]))
    assert len(found["tables"]) == 1 and [spot.version.pk for spot in found["alone"]] == [alone.pk]


@pytest.mark.parametrize(
    ("query", "code"),
    [("l=nonsense", "bad-reference"), ("&".join(f"l=a/b@1.0.{i}" for i in range(7)), "too-many")],
)
def test_an_address_that_names_none_gets_words(query, code):
    with pytest.raises(Refused) as refusal:
        comparing.read(QueryDict(query))
    assert refusal.value.code == code


def test_the_same_twice_is_once_and_one_is_too_few(catalog):
    wanted = comparing.read(QueryDict(f"l={catalog[0].reference}&l={catalog[0].reference}"))
    assert wanted == [catalog[0].reference]
    with pytest.raises(Refused, match="2 to 6"):
        comparing.find(None, wanted)


def test_the_page_shows_them(client, catalog):
    page = client.get("/compare/", {"l": [version.reference for version in catalog]}).content.decode()
    assert "What differs" in page and "Distance (MMD)" in page and "Column by column" in page and catalog[2].get_absolute_url() in page


def test_the_page_says_no_in_words(client, catalog, alice, bob):
    empty = client.get("/compare/")
    assert empty.status_code == 200 and "Nothing to compare yet" in empty.content.decode()
    one = client.get("/compare/", {"l": catalog[0].reference})
    assert one.status_code == 422 and "2 to 6" in one.content.decode()
    Learnware.objects.filter(name="far").update(visibility="private")
    hidden = client.get("/compare/", {"l": [catalog[0].reference, catalog[2].reference]})
    absent = client.get("/compare/", {"l": [catalog[0].reference, "alice/never@1.0.0"]})
    assert hidden.status_code == absent.status_code == 404 and "that you may see" in hidden.content.decode()
    client.force_login(alice)
    assert client.get("/compare/", {"l": [catalog[0].reference, catalog[2].reference]}).status_code == 200


def test_each_pair_is_measured_once_however_often_the_page_is_read(client, catalog, monkeypatch):
    comparing._squared_mmd.cache_clear()
    measured, squared_mmd = [], specs.squared_mmd
    monkeypatch.setattr(specs, "squared_mmd", lambda a, b: measured.append((a, b)) or squared_mmd(a, b))
    for order in (catalog, catalog, catalog[::-1]):
        assert client.get("/compare/", {"l": [version.reference for version in order]}).status_code == 200
    assert len(measured) == 3
