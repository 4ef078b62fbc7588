"""The index of one process: filled before the first search where that is wished, level with the change log, thrown away at will."""

import shutil

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError

from marketplace.catalog import services
from marketplace.matching import index
from marketplace.matching.models import IndexSnapshot
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


@pytest.mark.django_db
def test_a_snapshot_is_what_the_next_process_begins_from(alice, bob, tmp_path, settings, monkeypatch):
    settings.HOME = tmp_path
    space, rng = homes(), np.random.default_rng(0)
    offered(alice, "flats", space, table(rng))
    row = index.snapshot(space.id)
    assert row.generation == 1 and row.size == 1
    index.forget()
    offered(bob, "houses", space, table(rng, 1.0))
    read = []
    monkeypatch.setattr(index, "_read", lambda wanted, real=index._read: real(read.extend(wanted) or list(wanted)))
    found = match(user=alice, specification=requirement(space, table(rng)))
    assert [single["reference"] for single in found.result["singles"]] == ["alice/flats@1.0.0", "bob/houses@1.0.0"]
    assert len(read) == 1  # only what came after the snapshot
    again = index.snapshot(space.id)
    assert again.generation == 2 and again.size == 2 and IndexSnapshot.objects.count() == 1


@pytest.mark.django_db
def test_a_damaged_snapshot_is_not_used_and_the_index_is_built_anew(alice, tmp_path, settings, caplog):
    settings.HOME = tmp_path
    space, rng = homes(), np.random.default_rng(0)
    offered(alice, "flats", space, table(rng))
    row = index.snapshot(space.id)
    points = index._folder(space.id) / str(row.generation) / "points.bin"
    content = bytearray(points.read_bytes())
    content[3] ^= 1
    points.write_bytes(content)
    index.forget()
    found = match(user=alice, specification=requirement(space, table(rng)))
    assert [single["reference"] for single in found.result["singles"]] == ["alice/flats@1.0.0"] and "points.bin is not as it was written" in caplog.text


@pytest.mark.django_db
def test_no_snapshot_is_no_error_where_another_process_replaced_what_this_one_reads(alice, tmp_path, settings, caplog):
    settings.HOME = tmp_path
    space, rng = homes(), np.random.default_rng(0)
    offered(alice, "flats", space, table(rng))
    row = index.snapshot(space.id)
    index.forget()
    asked = requirement(space, table(rng))
    match(user=alice, specification=asked, filters={})  # opens it
    shutil.rmtree(index._folder(space.id) / str(row.generation))
    assert index.snapshot(space.id) is None and "could not be written" in caplog.text
    assert [path.name for path in index._folder(space.id).iterdir()] == ["lock"]
    assert match(user=alice, specification=asked, filters={}).result["singles"]


@pytest.mark.django_db
def test_a_withdrawn_version_of_a_snapshot_is_taken_out(alice, tmp_path, settings):
    settings.HOME = tmp_path
    space, rng = homes(), np.random.default_rng(0)
    gone = offered(alice, "flats", space, table(rng))
    offered(alice, "houses", space, table(rng, 1.0))
    index.snapshot(space.id)
    index.forget()
    services.withdraw(gone, alice)
    found = match(user=alice, specification=requirement(space, table(rng)))
    assert [single["reference"] for single in found.result["singles"]] == ["alice/houses@1.0.0"]
    assert len(index._spaces[space.id].index) == 1


@pytest.mark.django_db
def test_a_market_on_milvus_finds_the_same(alice, bob, tmp_path, settings):
    space, rng = homes(), np.random.default_rng(0)
    for owner, name, shift in ((alice, "flats", 0.0), (bob, "houses", 1.0), (bob, "halls", 3.0)):
        offered(owner, name, space, table(rng, shift))
    asked = requirement(space, table(rng))
    plain = match(user=alice, specification=asked).result
    index.forget()
    settings.INDEX_URL = f"milvus://{tmp_path}/market.db"
    shared = match(user=alice, specification=asked).result
    assert shared["singles"] == plain["singles"] and [m["reference"] for m in shared["mixture"]["members"]] == [m["reference"] for m in plain["mixture"]["members"]]
    from milvus_lite.server_manager import server_manager_instance

    index._spaces[space.id].index.close()
    server_manager_instance.release_all()


@pytest.mark.django_db
def test_the_command_writes_snapshots_of_what_is_worth_it(alice, tmp_path, settings, capsys):
    settings.HOME = tmp_path
    space, rng = homes(), np.random.default_rng(0)
    offered(alice, "flats", space, table(rng))
    call_command("snapshot_indexes")
    assert "No space has 1,000 learnwares" in capsys.readouterr().out
    call_command("snapshot_indexes", "--least", "1")
    assert "1 specifications, generation 1" in capsys.readouterr().out
    with pytest.raises(CommandError, match="There is no space 'x'"):
        call_command("snapshot_indexes", "--space", "x")
