import json
import stat

import pytest

from moorage import credentials


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    for name in ("MOORAGE_URL", "MOORAGE_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MOORAGE_CONFIG_DIR", str(tmp_path / "config"))


def test_argument_then_environment_then_file(monkeypatch):
    assert credentials.find().token is None and credentials.find().url == credentials.DEFAULT_URL
    credentials.save("http://market/", "kept")
    assert credentials.find() == credentials.Credentials("http://market", "kept", str(credentials.path()))
    monkeypatch.setenv("MOORAGE_TOKEN", "given")
    assert credentials.find().token == "given"
    assert credentials.find(token="said").token == "said"


def test_each_market_has_a_token_of_its_own():
    credentials.save("http://one", "1")
    credentials.save("http://two", "2")
    assert credentials.find("http://one").token == "1" and credentials.find().url == "http://two"
    assert credentials.find("http://three").token is None


def test_the_file_is_the_owners_alone():
    path = credentials.save("http://one", "1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("content", ["", "[]", "{", "null", '"text"'])
def test_a_spoilt_file_is_no_credentials(content):
    credentials.save("http://one", "1")
    credentials.path().write_text(content)
    assert credentials.find().token is None
    credentials.save("http://one", "2")
    assert json.loads(credentials.path().read_text())["markets"] == {"http://one": "2"}
