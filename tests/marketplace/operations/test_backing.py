"""A market is filled and backed up by one process, and restored by another into a home of its own: what it holds is the same."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import services

ROOT = Path(__file__).resolve().parents[3]
FILL = """
import numpy as np
from django.core.management import call_command
call_command("migrate", verbosity=0); call_command("createcachetable", verbosity=0)
from marketplace.accounts.models import User
from marketplace.catalog import artifacts, uploading
from tests.marketplace.rows import homes, offered, table
alice, space, rng = User.objects.create_user("alice", password="x"), homes(), np.random.default_rng(7)
for shift in range(3):
    offered(alice, f"at-{shift}", space, table(rng, shift), model=b"model %d" % shift)
upload = uploading.begin(owner=alice, size=10, name="half.bin")
import io
uploading.append(upload, offset=0, stream=io.BytesIO(b"half"))
call_command("backup", folder)
"""
STATE = """
import specs
from marketplace.accounts.models import User
from marketplace.catalog import artifacts, uploading
from marketplace.catalog.models import Artifact, Upload, Version
from marketplace.matching import index
from tests.marketplace.rows import homes, requirement, table
import numpy as np
asked = specs.Specification.from_bytes(requirement(homes(), table(np.random.default_rng(1), 1))).rkme
print(json.dumps({
    "people": list(User.objects.values_list("username", "password")), "versions": sorted(map(str, Version.objects.values_list("id", flat=True))),
    "bytes": {row.pk: artifacts.read(row.pk).hex()[:64] for row in Artifact.objects.order_by("pk")},
    "uploads": [[str(u.pk), u.offset, uploading.path(u).read_bytes()[:u.offset].decode()] for u in Upload.objects.all()],
    "found": [[str(hit.version_id), round(hit.value, 9)] for hit in index.singles(homes().id, asked, top=3)],
}))
"""


def run(home: Path, own: dict[str, str], code: str, **values: str) -> subprocess.CompletedProcess:
    env = {name: value for name, value in os.environ.items() if not name.startswith("MOORAGE_")} | own | {"MOORAGE_HOME": str(home), "MOORAGE_LOG_LEVEL": "ERROR", "DJANGO_SETTINGS_MODULE": "marketplace.settings"}
    begin = f"import json, django; django.setup()\n{''.join(f'{name} = {value!r}{chr(10)}' for name, value in values.items())}"
    return subprocess.run([sys.executable, "-c", begin + code], cwd=ROOT, env=env, capture_output=True, text=True, timeout=200)


def good(done: subprocess.CompletedProcess) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    """(the backup's folder, the state of the market that it was taken of)"""
    folder = tmp_path_factory.mktemp("first")
    own, forget = services.own()
    said = good(run(folder / "home", own, FILL + STATE, folder=str(folder / "backup"))).splitlines()
    yield folder / "backup", json.loads(said[-1])
    forget()


@pytest.fixture
def elsewhere(tmp_path):
    own, forget = services.own()
    yield lambda code, **values: run(tmp_path / "home", own, code, **values)
    forget()


def test_a_restored_market_is_the_one_that_was_backed_up(market, elsewhere):
    folder, before = market
    restore = "from django.core.management import call_command\ncall_command('restore', folder)\n"
    said = good(elsewhere(restore + STATE, folder=str(folder))).splitlines()
    assert "Restored and verified" in said[0]
    assert json.loads(said[-1]) == before
    assert before["uploads"][0][1:] == [4, "half"] and len(before["found"]) == 3
    again = elsewhere(restore, folder=str(folder))
    assert again.returncode != 0 and "would replace them all" in again.stderr
    good(elsewhere("from django.core.management import call_command\ncall_command('restore', folder, over=True)\n", folder=str(folder)))


def test_a_backup_that_changed_is_refused_before_anything_is_restored(market, elsewhere):
    folder, _ = market
    path = next(path for path in (folder / "artifacts").rglob("*") if path.is_file())
    whole = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        done = elsewhere("from django.core.management import call_command\ncall_command('restore', folder)\n", folder=str(folder))
    finally:
        path.write_bytes(whole)
    assert done.returncode != 0 and "1 files of the backup are missing or changed" in done.stderr
    assert path.name in done.stderr


@pytest.mark.django_db
def test_while_a_backup_runs_nothing_is_deleted(alice):
    from marketplace.catalog import artifacts
    from marketplace.catalog.models import Artifact
    from marketplace.jobs import trying

    stored = artifacts.put(b"somebody's rows")
    artifacts.row(stored)
    artifacts.hold_back()
    trying.forget(stored.sha256)
    assert artifacts.read(stored.sha256) == b"somebody's rows" and artifacts.sweep() == 0
    artifacts.let_go()
    trying.forget(stored.sha256)
    assert not Artifact.objects.filter(pk=stored.sha256).exists()
