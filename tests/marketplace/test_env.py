"""Settings: a wrong value fails at start and names itself."""

import os
import stat
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from marketplace import env
from tests.journeys.site import ROOT


@pytest.mark.parametrize(
    ("read", "value", "words"),
    [(lambda: env.flag("X", False), "maybe", "on or off"), (lambda: env.number("X", 3), "-1", "whole number"), (lambda: env.number("X", 3), "many", "whole number"),
     (lambda: env.url("X", "file:///a", schemes={"file", "s3"}), "ftp://x", "file, s3")],
)
def test_a_wrong_value_names_itself(monkeypatch, read, value, words):
    monkeypatch.setenv("X", value)
    with pytest.raises(ImproperlyConfigured, match="X must") as refused:
        read()
    assert words in str(refused.value) and repr(value) in str(refused.value)


def test_what_is_empty_is_the_default(monkeypatch):
    monkeypatch.setenv("X", "  ")
    assert env.text("X", "d") == "d" and env.number("X", 7) == 7 and env.flag("X", True) is True


def test_the_key_is_made_once_and_kept_for_its_owner(tmp_path, monkeypatch):
    monkeypatch.delenv("MOORAGE_SECRET_KEY", raising=False)
    key = env.secret_key(tmp_path)
    assert len(key) > 40 and env.secret_key(tmp_path) == key
    assert stat.S_IMODE((tmp_path / "secret.key").stat().st_mode) == 0o600
    monkeypatch.setenv("MOORAGE_SECRET_KEY", "given")
    assert env.secret_key(tmp_path) == "given"


@pytest.mark.parametrize("given", [{}, {"MOORAGE_SECRET_KEY": "x" * 50}])
def test_a_home_is_made_for_its_owner_alone(tmp_path, given):
    made = tmp_path / "folder" / "home"
    environment = {name: value for name, value in os.environ.items() if name != "MOORAGE_SECRET_KEY"} | {"MOORAGE_HOME": str(made)} | given
    subprocess.run([sys.executable, "-c", "import marketplace.settings"], cwd=ROOT, env=environment, check=True, umask=0o022)
    assert stat.S_IMODE(made.stat().st_mode) == 0o700 and stat.S_IMODE(made.parent.stat().st_mode) == 0o755


def test_the_mode_of_a_home_that_is_there_is_left_alone(tmp_path, monkeypatch):
    tmp_path.chmod(0o750)
    monkeypatch.setenv("MOORAGE_HOME", str(tmp_path))
    assert env.home("MOORAGE_HOME", tmp_path / "other") == tmp_path and stat.S_IMODE(tmp_path.stat().st_mode) == 0o750


@pytest.mark.parametrize(("name", "value"), [("MOORAGE_BROKER_URL", "kafka://x"), ("MOORAGE_STORAGE_URL", "ftp://x"), ("MOORAGE_DEBUG", "perhaps"), ("MOORAGE_MAX_MODEL_MB", "huge")])
def test_a_market_with_a_wrong_setting_does_not_start(tmp_path, name, value):
    done = subprocess.run([sys.executable, "manage.py", "check"], cwd=ROOT, env=dict(os.environ, MOORAGE_HOME=str(tmp_path), **{name: value}), capture_output=True, text=True)
    assert done.returncode != 0 and name in done.stderr


def test_a_home_that_can_not_be_written_says_so(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(ImproperlyConfigured, match="MOORAGE_HOME"):
        env.secret_key(tmp_path / "file" / "home")
    monkeypatch.setenv("MOORAGE_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(ImproperlyConfigured, match="MOORAGE_HOME must be a folder"):
        env.home("MOORAGE_HOME", tmp_path)
