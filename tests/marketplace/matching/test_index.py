"""The index of one process: filled before the first search where that is wished, level with the change log, thrown away at will."""

import numpy as np
import pytest
from django.db import DatabaseError

from marketplace.catalog import services
from marketplace.matching import index
from marketplace.matching.services import match
from tests.marketplace.rows import homes, offered, requirement, table


@pytest.fixture(autouse=True)
def empty(monkeypatch):
    monkeypatch.setattr(index.connection, "close", lambda: None)  # the test's own connection
    index.forget()
    yield
    index.forget()


@pytest.mark.django_db
def test_warming_fills_the_index_that_a_search_then_takes(alice):
    space, rng = homes(), np.random.default_rng(0)
    version = offered(alice, "flats", space, table(rng))
    index.warm()
    held = index._spaces[space.id]
    assert len(held.index) == 1 and version.pk in held.index
    found = match(user=alice, specification=requirement(space, table(rng)))
    assert found.result["singles"][0]["reference"] == "alice/flats@1.0.0" and index._spaces[space.id] is held


@pytest.mark.django_db
def test_what_is_offered_or_withdrawn_later_is_noticed(alice, bob):
    space, rng = homes(), np.random.default_rng(0)
    first = offered(alice, "flats", space, table(rng))
    index.warm()
    offered(bob, "houses", space, table(rng, 1.0))
    services.withdraw(first, alice)
    found = match(user=alice, specification=requirement(space, table(rng)))
    assert [single["reference"] for single in found.result["singles"]] == ["bob/houses@1.0.0"]


@pytest.mark.django_db
def test_warming_a_market_without_spaces_does_nothing():
    index.warm()
    assert index._spaces == {}


def test_warming_without_a_database_is_no_reason_to_fall(monkeypatch, caplog):
    def broken(*args, **words):
        raise DatabaseError("no such table")

    monkeypatch.setattr(index.Space.objects, "annotate", broken)
    index.warm()
    assert "not warmed" in caplog.text
