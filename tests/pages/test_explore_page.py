"""Explore, home and a space as pages: what stands in them, for whom, with how few queries."""

import re

import numpy as np
import pytest
from django.core.cache import cache

from marketplace.catalog import mapping, shelf
from marketplace.catalog.models import Learnware, Place, Version
from tests.marketplace.rows import homes, offered, table


@pytest.fixture(autouse=True)
def fresh(db):
    shelf.forget()
    cache.delete("catalog-map")
    yield
    shelf.forget()


@pytest.fixture
def catalog(alice, bob):
    """Thirty of Alice's over one specification, and one that Bob keeps to himself."""
    first = offered(alice, "quay-0", homes(), table(np.random.default_rng(3)), licence="MIT")
    made = [first]
    for i in range(1, 30):
        learnware = Learnware.objects.create(owner=alice, name=f"quay-{i}")
        fields = {name: getattr(first, name) for name in ("number", "status", "is_latest", "space", "task", "target", "format", "manifest", "model", "specification")}
        made.append(Version.objects.create(learnware=learnware, title=f"Quay-{i}", words=f"quay-{i}", licence=("MIT", "ISC")[i % 2], **fields))
    offered(bob, "secret", homes(), table(np.random.default_rng(4)))
    Learnware.objects.filter(name="secret").update(visibility="private")
    return made


def page(client, address, status=200):
    answer = client.get(address)
    assert answer.status_code == status, address
    return answer.content.decode()


def test_pages_ask_few_queries_and_hold_no_script_or_style(client, catalog, django_assert_max_num_queries):
    mapping.lay_out()
    for address in ("/", "/explore/", "/explore/?view=table", "/explore/?view=map", "/explore/?view=map&lasso=0,0;1,0;1,1", "/explore/?page=2&licence=MIT&licence=ISC"):
        with django_assert_max_num_queries(20):
            found = page(client, address)
        assert not re.search(r"<script(?![^>]*\bsrc=)", found) and not re.search(r"\sstyle=|<style|\son\w+=\"", found), address


def test_the_list_has_pages_chips_and_facets_in_its_links(client, catalog):
    found = page(client, "/explore/?licence=MIT&q=quay")
    assert ">15</strong> learnwares" in found and "Take away the filter Licence MIT" in found
    assert "?q=quay&amp;licence=MIT&amp;licence=ISC" in found  # a second value of the same facet
    assert "?licence=MIT&amp;q=quay&amp;page=" not in found and "page=2" in page(client, "/explore/?q=quay")


def test_a_table_is_there_for_who_wants_one(client, catalog):
    found = page(client, "/explore/?view=table")
    assert found.count('<th scope="row">') == 24 and "view=table" in found and 'data-compare="Quay-29"' in found


def test_the_empty_list_names_the_filter_and_drops_it(client, catalog):
    found = page(client, "/explore/?licence=MIT&q=zebra")
    assert "It was the words “zebra” that removed the last hits" in found and "15 learnwares are left" in found and 'href="?licence=MIT"' in found
    assert "whichever single filter is dropped" in page(client, "/explore/?licence=none&q=zebra")


def test_the_map_lists_its_islands_in_words(client, catalog):
    assert "The map is not drawn yet" in page(client, "/explore/?view=map")
    mapping.lay_out()
    found = page(client, "/explore/?view=map&licence=MIT")
    assert 'data-src="/api/v1/map?licence=MIT"' in found and re.search(r'homes <span class="n">15</span>', found)


def test_a_rectangle_by_numbers_becomes_a_lasso(client, catalog):
    answer = client.get("/explore/?left=0.1&right=0.9&bottom=0.2&top=0.8&licence=MIT&view=map")
    assert answer.status_code == 302 and answer.url == "/explore/?licence=MIT&lasso=0.1,0.2;0.9,0.2;0.9,0.8;0.1,0.8&view=map"
    assert "a number in units of the map" in page(client, "/explore/?left=x&right=1&bottom=0&top=1", 422)


def test_a_lasso_narrows_the_page(client, catalog):
    mapping.lay_out()
    Place.objects.filter(version=catalog[0]).update(x=0.9, y=0.9)
    found = page(client, "/explore/?lasso=0.89,0.89;0.91,0.89;0.9,0.92")
    assert ">1</strong> learnware" in found and "inside the lasso" in found
    assert "A lasso is 3 to" in page(client, "/explore/?lasso=nonsense", 422)


def test_home_counts_what_the_visitor_may_see(client, catalog, bob):
    assert "<strong>30</strong><span>learnwares</span>" in page(client, "/") and "secret" not in page(client, "/")
    client.force_login(bob)
    assert "<strong>31</strong><span>learnwares</span>" in page(client, "/")


def test_home_has_examples_the_map_and_the_first_steps(client, catalog):
    mapping.lay_out()
    found = page(client, "/")
    assert found.count('name="example"') == 1 and "Map of the catalog: 1 island" in found and found.count('class="task-1"') == 30
    assert 'data-put-away="tour"' in found
    example = re.search(r'name="example" value="([^"]+)"', found)[1]
    assert client.post("/match/", {"example": example}).status_code == 302


def test_an_empty_market_says_what_to_do(client, db):
    assert "seed_demo" in page(client, "/") and "No learnwares yet" in page(client, "/explore/") and "No learnwares yet" in page(client, "/explore/?view=map")


def test_a_space_counts_what_the_visitor_may_see(client, catalog, bob):
    address = Version.objects.first().space.get_absolute_url()
    assert '<dd class="num">30</dd>' in page(client, address)
    client.force_login(bob)
    assert '<dd class="num">31</dd>' in page(client, address)
