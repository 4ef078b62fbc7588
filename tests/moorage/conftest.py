import pytest


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    """No test reads or writes what the person who runs it has at home, or waits."""
    for name in ("MOORAGE_URL", "MOORAGE_TOKEN", "MOORAGE_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MOORAGE_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("MOORAGE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def slept(monkeypatch):
    """The seconds that would have been waited."""
    found = []
    monkeypatch.setattr("time.sleep", found.append)
    return found
