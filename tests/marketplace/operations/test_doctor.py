import json

import pytest
from django.core.management import call_command

from marketplace.catalog import artifacts
from marketplace.operations import doctor
from tests.marketplace.rows import homes, offered, table

pytestmark = pytest.mark.django_db


def found(what: str) -> doctor.Finding:
    return next(finding for finding in doctor.examine() if finding.what == what)


def test_every_look_says_what_and_how_it_stands(capsys):
    with pytest.raises(SystemExit):
        call_command("doctor", "--json")
    said = json.loads(capsys.readouterr().out)
    states = {one["what"]: one["state"] for one in said["findings"]}
    assert {"database", "migrations", "broker", "workers", "queue", "storage", "artifacts", "disk: home", "index", "sandbox", "clock", "home", "secrets", "settings", "mail"} <= set(states)
    assert states["database"] == states["migrations"] == states["storage"] == states["index"] == "ok"
    assert all(one["do"] for one in said["findings"] if one["state"] == "fail")


def test_a_damaged_file_is_found_and_the_exit_code_says_so(alice, rng, capsys, settings, tmp_path):
    settings.STORAGE_URL = f"file://{tmp_path}"
    version = offered(alice, "flat", homes(), table(rng))
    path = tmp_path / version.model_id[:2] / version.model_id[2:4] / version.model_id
    path.chmod(0o600)
    path.write_bytes(b"other")
    assert found("artifacts").state == "fail"
    with pytest.raises(SystemExit) as ended:
        call_command("doctor")
    assert ended.value.code == 1 and "fail  artifacts" in capsys.readouterr().out


def test_a_store_that_takes_nothing_is_found(settings):
    settings.STORAGE_URL = "file:///proc/nowhere"
    assert found("storage").state == "fail"


def test_a_home_that_others_may_enter_is_found(settings, tmp_path):
    settings.HOME = tmp_path
    for mode, state in ((0o700, "ok"), (0o711, "warn"), (0o755, "warn"), (0o750, "warn")):
        tmp_path.chmod(mode)
        assert found("home").state == state, oct(mode)
    assert "mode 750" in found("home").found and found("home").do == f"Run: chmod 700 {tmp_path}"


def test_a_specification_that_can_not_be_read_is_missed_in_the_index(alice, rng):
    from marketplace.matching import index

    version = offered(alice, "flat", homes(), table(rng))
    artifacts.store().delete(version.specification_id)
    index.forget()
    try:
        assert (found("index").state, "0 of 1" in found("index").found) == ("fail", True)
    finally:
        index.forget()
