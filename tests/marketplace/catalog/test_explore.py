"""The shelf, the words and the filters behind explore: what is found is what the database would find, and nobody counts what they may not see."""

from urllib.parse import quote

import numpy as np
import pytest
from django.http import QueryDict

from marketplace.catalog import exploring, fulltext, services, shelf
from marketplace.catalog.models import Learnware, Share, Version
from marketplace.errors import Refused
from tests.marketplace.rows import homes, offered, table


@pytest.fixture(autouse=True)
def fresh_shelf():
    shelf.forget()
    yield
    shelf.forget()


@pytest.fixture
def catalog(alice, bob):
    rng, space = np.random.default_rng(3), homes()
    made = [
        offered(alice, "harbour", space, table(rng), licence="MIT", merge_family="f" * 64),
        offered(alice, "harbour-master", space, table(rng), task="regression", target="price", output={"kind": "value", "target": "price", "unit": None}),
        offered(bob, "lighthouse", space, table(rng), licence="MIT", format="skops"),
        offered(bob, "secret", space, table(rng), licence="MIT"),
    ]
    Learnware.objects.filter(name="secret").update(visibility="private")
    Version.objects.filter(learnware__name="harbour").update(report={"parameters": 5_000})
    return {version.learnware.name: version for version in made}


def found(query="", user=None):
    return exploring.found(QueryDict(query), user)


def names(query="", user=None):
    return [version.learnware.name for version in found(query, user)]


def test_everything_public_is_found_newest_first(catalog):
    assert names() == ["lighthouse", "harbour-master", "harbour"]


def test_several_values_of_one_facet_widen_and_several_facets_narrow(catalog):
    assert names("licence=MIT&licence=Apache-2.0") == ["lighthouse", "harbour-master", "harbour"]
    assert names("licence=MIT") == ["lighthouse", "harbour"]
    assert names("licence=MIT&owner=alice") == ["harbour"]
    assert names("licence=None") == []


def test_each_facet_narrows(catalog):
    everything = ["lighthouse", "harbour-master", "harbour"]
    for query, left in (
        ("parameters=1,000+to+10,000", ["harbour"]), ("merge=yes", ["harbour"]), ("merge=no", ["lighthouse", "harbour-master"]), ("access=gated", []),
        ("size=under+100+kB", everything), ("task=regression", ["harbour-master"]), ("target=price", ["harbour-master"]),
    ):  # fmt: skip
        assert names(query) == left, query


def test_a_chosen_facet_counts_what_the_others_leave(catalog):
    counted = found("licence=MIT&task=classification").facets()
    assert counted["licence"] == {"MIT": 2} and counted["task"] == {"classification": 2} and counted["owner"] == {"alice": 1, "bob": 1}
    assert found("licence=MIT").facets()["licence"] == {"MIT": 2, "Apache-2.0": 1}


def test_words_are_found_wherever_they_stand(catalog):
    held = Version.objects.latest().filter(learnware__visibility="public").values_list("pk", "words")
    for text in ("harbour", "HARBOUR", "arbo", "our-mast", "price", "li", "e", "kind light", '"', "%", "har*", "NEAR(", "a\x00b", "'); --"):
        by_hand = {pk for pk, words in held if all(word in words for word in fulltext.words_of(text))}
        assert {version.pk for version in found(f"q={quote(text)}")} == by_hand, text
        assert set(services.search(user=None, q=text).values_list("pk", flat=True)) == by_hand, text


def test_words_follow_what_is_written_and_deleted(catalog):
    Version.objects.filter(pk=catalog["harbour"].pk).update(words="a quay")
    assert names("q=quay") == ["harbour"] and "harbour" not in names("q=harbour")
    Version.objects.filter(pk=catalog["harbour"].pk).delete()
    assert names("q=quay") == [] and fulltext.keys("quay", Version.objects.all()) == []


def test_the_table_of_words_is_filled_again_when_its_triggers_are_gone(catalog):
    from django.db import connection

    if connection.vendor == "sqlite":  # PostgreSQL keeps its own index: there is nothing to lose
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER catalog_words_changed")
        Version.objects.filter(pk=catalog["harbour"].pk).update(words="a jetty")
        assert names("q=jetty") == []
        fulltext.make()
    else:
        Version.objects.filter(pk=catalog["harbour"].pk).update(words="a jetty")
    assert names("q=jetty") == ["harbour"]


def test_what_is_private_is_counted_for_those_who_may_see_it_alone(catalog, alice, bob, charlie):
    assert "secret" not in names("", charlie) and found("", charlie).facets()["licence"] == {"MIT": 2, "Apache-2.0": 1}
    assert "secret" in names("", bob) and found("", bob).facets()["licence"]["MIT"] == 3
    Share.objects.create(learnware=catalog["secret"].learnware, user=charlie)
    assert "secret" in names("", charlie)
    Share.objects.all().delete()
    assert "secret" not in names("", charlie) and names("q=secret", charlie) == []


def test_what_becomes_private_is_gone_at_once(catalog):
    assert "harbour" in names()
    Learnware.objects.filter(name="harbour").update(visibility="private")
    assert "harbour" not in names() and found().facets()["owner"] == {"alice": 1, "bob": 1}


def test_the_shelf_follows_offers_and_withdrawals(catalog, alice):
    assert len(found()) == 3
    offered(alice, "pilot", homes(), table(np.random.default_rng(0)))
    assert names()[0] == "pilot" and found().facets()["owner"]["alice"] == 3
    services.withdraw(Version.objects.get(learnware__name="pilot"), alice)
    assert "pilot" not in names() and len(found()) == 3


def test_the_shelf_notices_what_no_change_tells_of(catalog):
    assert len(found()) == 3
    Version.objects.filter(pk=catalog["lighthouse"].pk).update(status="refused", is_latest=False)
    assert names() == ["harbour-master", "harbour"]


def test_what_is_found_equals_what_the_database_finds(catalog, bob):
    for query in ({}, {"task": "classification"}, {"licence": "MIT", "owner": "bob"}, {"format": "skops"}, {"q": "house", "licence": "MIT"}):
        text = "&".join(f"{key}={value}" for key, value in query.items())
        assert {version.pk for version in found(text, bob)} == set(services.search(user=bob, **query).values_list("pk", flat=True)), query


def test_the_orders(catalog):
    Learnware.objects.filter(name="harbour-master").update(likes_count=9)
    Version.objects.filter(learnware__name="harbour").update(downloads=7)
    for sort, first in (("name", "harbour"), ("liked", "harbour-master"), ("downloaded", "harbour"), ("nonsense", "lighthouse")):
        assert names(f"sort={sort}")[0] == first, sort


def test_links_keep_what_else_is_chosen_and_start_again_at_page_one(catalog):
    query = QueryDict("q=house&licence=MIT&licence=ISC&page=3&view=table")
    assert exploring.link(query, task=["regression"]) == "?q=house&task=regression&licence=MIT&licence=ISC&view=table"
    assert [chip["href"] for chip in exploring.chips(query, exploring.read(query))][1] == "?q=house&licence=ISC&view=table"


def test_the_filter_that_removed_the_last_hits_is_named(catalog):
    query = QueryDict("licence=MIT&q=zebra")
    said = exploring.culprit(query, exploring.read(query), found("licence=MIT&q=zebra"))
    assert said["n"] == 2 and "zebra" in said["words"] and said["href"] == "?licence=MIT"
    query = QueryDict("licence=ISC&q=zebra")
    assert exploring.culprit(query, exploring.read(query), found("licence=ISC&q=zebra")) is None


@pytest.mark.parametrize("lasso", ["1,2", "a,b;c,d;e,f", "1,2;3,4", "1,2,3;4,5,6;7,8,9", "nan,1;1,2;2,3", "1,1;" * 300])
def test_a_lasso_that_is_none_gets_words(lasso):
    with pytest.raises(Refused, match="lasso"):
        exploring.read_lasso(lasso)


def test_points_in_a_polygon_by_hand():
    square = np.array([[0, 0], [2, 0], [2, 2], [0, 2.0]])
    dent = np.array([[0, 0], [4, 0], [4, 4], [2, 1], [0, 4.0]])
    x, y = np.array([1.0, 3.0, np.nan]), np.array([1.0, 1.0, np.nan])
    assert shelf.inside(x, y, square).tolist() == [True, False, False]
    assert shelf.inside(np.array([2.0, 2.0, 0.5]), np.array([0.5, 2.0, 2.0]), dent).tolist() == [True, False, True]


def test_a_worker_counts_the_rows_for_the_planner(catalog):
    from django.db import connection

    from marketplace.catalog import tasks

    tasks.count_rows()
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM sqlite_stat1 WHERE tbl = 'catalog_version'")
            assert cursor.fetchone()[0] > 0
    assert len(found()) == 3
