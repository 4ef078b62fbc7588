import os
import signal
import subprocess
import sys
import time

import pytest

from storage import ArtifactDamaged
from storage.connect import connect
from storage.local import LocalStore


@pytest.fixture
def store(tmp_path):
    return LocalStore(tmp_path)


def path_of(store, sha256):
    return store.folder / sha256[:2] / sha256[2:4] / sha256


def test_bytes_that_changed_on_the_disk_are_noticed(store):
    stored = store.put(b"as it was")
    path = path_of(store, stored.sha256)
    path.chmod(0o600)
    path.write_bytes(b"as it is!")
    with pytest.raises(ArtifactDamaged, match="changed"):
        store.open(stored.sha256)


def test_an_artifact_is_not_for_writing(store):
    assert path_of(store, store.put(b"x").sha256).stat().st_mode & 0o222 == 0


def test_a_failed_put_leaves_no_draft(store):
    class Broken:
        def __init__(self):
            self.parts = [b"some", b"more"]

        def read(self, n):
            return self.parts.pop()  # raises once they are used up

    with pytest.raises(IndexError):
        store.put(Broken())
    assert list((store.folder / "unfinished").iterdir()) == []


def test_a_kill_leaves_the_whole_or_a_draft_that_is_swept(store):
    code = f"import sys; sys.path.insert(0, '.'); from storage.local import LocalStore\ns = LocalStore({str(store.folder)!r})\nprint('go', flush=True)\nwhile True: s.put(__import__('os').urandom(4_000_000))"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    process.stdout.readline()
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    whole = [p for p in store.folder.rglob("*") if p.is_file() and p.parent.name != "unfinished"]
    assert whole and all(path.stat().st_size == 4_000_000 for path in whole)
    for path in whole:
        store.open(path.name).close()  # its digest holds
    for draft in (store.folder / "unfinished").iterdir():
        os.utime(draft, (0, 0))
    store.sweep()
    assert list((store.folder / "unfinished").iterdir()) == []


def test_a_url_of_another_scheme_is_refused():
    with pytest.raises(ValueError, match="file:// or s3://"):
        connect("ftp://somewhere")
