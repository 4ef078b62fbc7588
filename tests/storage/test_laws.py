"""What every store obeys."""

import hashlib
import io
import os
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import ArtifactMissing


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=5000))
def test_what_is_put_can_be_read_under_its_digest(store, content):
    stored = store.put(content)
    assert (stored.sha256, stored.size) == (hashlib.sha256(content).hexdigest(), len(content))
    with store.open(stored.sha256) as file:
        assert file.read() == content


def test_a_file_is_put_as_it_streams(store):
    content = os.urandom(3_000_000)
    stored = store.put(io.BytesIO(content))
    with store.open(stored.sha256) as file:
        file.seek(2_999_990)
        assert file.read() == content[-10:]


def test_putting_twice_is_putting_once(store):
    assert store.put(b"same") == store.put(b"same")
    store.delete(store.put(b"same").sha256)
    with pytest.raises(ArtifactMissing):
        store.open(hashlib.sha256(b"same").hexdigest())


def test_deleting_twice_is_deleting_once(store):
    stored = store.put(b"gone")
    store.delete(stored.sha256)
    store.delete(stored.sha256)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "a" * 63, "g" * 64, "A" * 64, "0" * 64 + "\n"])
def test_nothing_but_a_digest_reaches_a_path(store, name):
    with pytest.raises(ArtifactMissing):
        store.open(name)


def test_what_was_never_put_is_missing(store):
    with pytest.raises(ArtifactMissing):
        store.open("0" * 64)


def test_a_source_that_breaks_off_leaves_nothing(store):
    class Broken(io.RawIOBase):
        def read(self, n=-1):
            raise OSError("the line went dead")

    with pytest.raises(OSError, match="dead"):
        store.put(Broken())


def test_many_put_the_same_at_once(store):
    found, content = [], os.urandom(50_000)
    threads = [threading.Thread(target=lambda: found.append(store.put(content))) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(set(found)) == 1 and len(found) == 8


def test_it_knows_what_it_holds_and_since_when(store):
    from datetime import UTC, datetime, timedelta

    stored = [store.put(b"one"), store.put(b"two")]
    held = dict(store.held())
    assert set(held) == {one.sha256 for one in stored}
    assert all(abs(put - datetime.now(UTC)) < timedelta(minutes=5) for put in held.values())
    store.delete(stored[0].sha256)
    assert set(dict(store.held())) == {stored[1].sha256}
