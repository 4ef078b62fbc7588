"""What stands under deploy/: units that systemd takes, a compose file whose variables the settings read, and no secret."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
KNOWN = {name for path in [ROOT / "marketplace" / "settings.py", ROOT / "marketplace" / "env.py", *(ROOT / "reuse").rglob("*.py"), *(ROOT / "marketplace").rglob("*.py")]
         for name in re.findall(r"MOORAGE_[A-Z_]+", path.read_text())}


def compose() -> dict:
    return yaml.safe_load((DEPLOY / "compose.yml").read_text())


@pytest.mark.parametrize("path", [path for path in DEPLOY.rglob("*") if path.is_file()], ids=lambda path: path.name)
def test_every_variable_is_one_that_the_settings_read(path):
    own = {"MOORAGE_DATABASE_PASSWORD"}  # compose's own: it goes into the URL
    assert set(re.findall(r"MOORAGE_[A-Z_]+", path.read_text())) - KNOWN - own == set()


def test_every_service_of_moorage_has_its_rows_its_bytes_and_its_key():
    services = compose()["services"]
    ours = {name: service for name, service in services.items() if service["image"] == "moorage"}
    assert set(ours) == {"migrate", "web", "worker", "gpu-worker"}
    for service in ours.values():
        assert {"MOORAGE_DATABASE_URL", "MOORAGE_BROKER_URL", "MOORAGE_CACHE_URL", "MOORAGE_SECRET_KEY", "MOORAGE_HOME"} <= set(service["environment"])
        assert service["volumes"] == [f"home:{service['environment']['MOORAGE_HOME']}"]
        assert set(service["depends_on"]) >= {"database", "broker"}
    assert ours["gpu-worker"]["profiles"] == ["gpu"] and ours["gpu-worker"]["environment"]["MOORAGE_DEVICE"] == "cuda"


def test_what_they_are_told_is_what_the_settings_take(tmp_path):
    environment = compose()["services"]["web"]["environment"]
    given = {name: re.sub(r"\$\{(\w+)(?::[-?]([^}]*))?\}", lambda m: m[2] if m[0].find(":-") > 0 else "x" * 50, value) for name, value in environment.items()} | {"MOORAGE_HOME": str(tmp_path)}
    code = "import django; django.setup(); from django.conf import settings as s; print(s.DATABASES['default']['HOST'], s.CELERY_BROKER_URL, s.CACHES['default']['LOCATION'])"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={"DJANGO_SETTINGS_MODULE": "marketplace.settings", "PATH": ""} | given, capture_output=True, text=True)
    assert said.stdout.split() == ["database", "redis://broker:6379/0", "redis://broker:6379/1"], said.stderr


def test_no_secret_stands_in_them():
    for name, service in compose()["services"].items():
        for key, value in (service.get("environment") or {}).items():
            if re.search("KEY|PASSWORD|TOKEN", key):
                assert str(value).startswith("${"), f"{name}: {key}"


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_takes_the_units(unit, tmp_path):
    for path in UNITS:
        (tmp_path / path.name).write_text(path.read_text().replace("/opt/moorage/.venv/bin/python", sys.executable).replace("/opt/moorage", str(ROOT)))
    text = unit.read_text()
    assert "[Unit]" in text and "Description=" in text
    if unit.suffix == ".service":
        assert "ExecStart=/" in text and "User=moorage" in text
    if shutil.which("systemd-analyze"):
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(tmp_path / unit.name)], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
