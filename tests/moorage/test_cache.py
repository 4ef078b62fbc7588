"""What was fetched stays, whole, and goes out as plain files."""

import hashlib
import json
import os

import pytest

import moorage
from moorage import errors
from moorage.cache import Cache, home
from tests.moorage.market import URL, Pool, answer

MODEL = b"model" * 1000
SPECIFICATION = b'{"points": []}'
SHA = {name: hashlib.sha256(body).hexdigest() for name, body in (("model.onnx", MODEL), ("specification.json", SPECIFICATION))}
BODIES = {"model.onnx": MODEL, "specification.json": SPECIFICATION}


def document(number="1.2.0", status="usable"):
    files = [{"name": name, "size": len(BODIES[name]), "sha256": SHA[name], "url": f"/api/v1/files/{name}"} for name in BODIES]
    return {"reference": f"alice/flats@{number}", "owner": "alice", "name": "flats", "version": number, "status": status, "manifest": {"name": "flats", "version": number},
            "files": [*files, {"name": "learnware.json", "size": None, "sha256": "", "url": "/api/v1/files/learnware.json"}]}


def market(asked):
    if asked.path.startswith("/api/v1/files/"):
        name = asked.path.rpartition("/")[2]
        return answer(200, BODIES[name], Content_Length=str(len(BODIES[name])))
    if asked.path == "/api/models/alice/flats/refs":
        return answer(200, {"tags": [{"name": f"v{number}"} for number in ("1.10.0", "1.2.0", "2.0.0")]})
    if asked.path.startswith("/api/v1/learnwares/alice/flats"):
        number = asked.path.removeprefix("/api/v1/learnwares/alice/flats").strip("/") or "2.0.0"
        return answer(200, document(number))
    return answer(404, {"code": "not-found", "message": "There is nothing."})


@pytest.fixture
def online():
    return moorage.Market(URL, "moor_x", transport=Pool(market))


@pytest.fixture
def offline():
    return moorage.Market(URL, offline=True, transport=Pool(lambda asked: pytest.fail("a request was made")))


def test_a_second_download_sends_no_byte_of_a_file_again(online, tmp_path):
    for name in ("one", "two"):
        folder = online.download("alice/flats", tmp_path / name)
        assert (folder / "model.onnx").read_bytes() == MODEL and json.loads((folder / "learnware.json").read_text()) == document("2.0.0")["manifest"]
    assert sorted(asked.path.rpartition("/")[2] for asked in online._wire._pool.asked if "files" in asked.path) == ["model.onnx", "specification.json"]
    assert not any(path.is_symlink() for path in tmp_path.rglob("*")) and not list(tmp_path.rglob("*.part"))


def test_files_are_links_to_one_copy_or_copies_where_links_can_not_be(online, tmp_path, monkeypatch):
    linked = online.download("alice/flats", tmp_path / "linked") / "model.onnx"
    assert os.path.samefile(linked, online.cache.blob(SHA["model.onnx"]))
    monkeypatch.setattr(os, "link", lambda *names: (_ for _ in ()).throw(OSError("another disk")))
    copied = online.download("alice/flats", tmp_path / "copied") / "model.onnx"
    assert copied.read_bytes() == MODEL and not os.path.samefile(copied, online.cache.blob(SHA["model.onnx"]))
    assert online.download("alice/flats", tmp_path / "linked") == tmp_path / "linked"  # again, over what is there


def test_a_damaged_file_is_fetched_again(online, tmp_path):
    online.download("alice/flats", tmp_path / "one")
    blob = online.cache.blob(SHA["model.onnx"])
    blob.chmod(0o644)
    blob.write_bytes(b"spoilt")
    assert (online.download("alice/flats", tmp_path / "two") / "model.onnx").read_bytes() == MODEL


def test_a_download_that_broke_off_goes_on_in_the_cache(online, tmp_path):
    blob = online.cache.blob(SHA["model.onnx"])
    blob.parent.mkdir(parents=True)
    blob.with_name(blob.name + ".part").write_bytes(MODEL[:100])
    online.download("alice/flats", tmp_path / "one")
    assert [asked.headers.get("Range") for asked in online._wire._pool.asked if "model.onnx" in asked.path] == ["bytes=100-"]


@pytest.mark.parametrize("reference", ["alice/flats", "alice/flats@1.2.0", "alice/flats@1"])
def test_what_was_fetched_works_offline(online, offline, tmp_path, reference):
    online.download(reference, tmp_path / "one")
    assert offline.learnware(reference) == online.learnware(reference)
    folder = offline.download(reference, tmp_path / "two")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}


def test_what_was_not_fetched_says_what_to_do(online, offline, tmp_path):
    online.learnware("alice/flats@1.2.0")
    for attempt in (lambda: offline.download("alice/flats@1.2.0", tmp_path / "x"), lambda: offline.learnware("bob/other"), lambda: offline.learnware("alice/flats@2"), lambda: offline.space("0" * 64),
                    offline.whoami, lambda: offline.search("x")):
        with pytest.raises(errors.Offline, match="once, with a connection") as found:
            attempt()
        assert found.value.exit_code == 8


def test_a_line_of_versions_is_its_newest(online):
    assert online.versions("alice/flats") == ["2.0.0", "1.10.0", "1.2.0"]
    assert online.learnware("alice/flats@1")["version"] == "1.10.0" and online.learnware("alice/flats@1.2")["version"] == "1.2.0"
    with pytest.raises(errors.NotFound, match=r"no version 3\.\*; it has 2\.0\.0"):
        online.learnware("alice/flats@3")


@pytest.mark.parametrize("reference", ["flats", "/flats", "alice/", "alice/flats@", "alice/flats@one", "alice/flats/x", "alice/flats@1.2.3.4"])
def test_what_is_no_reference_is_refused_before_anything_is_asked(online, reference):
    with pytest.raises(errors.Refused, match="owner/name"):
        online.learnware(reference)
    assert not online._wire._pool.asked


def test_the_environment_says_offline_and_where(tmp_path, monkeypatch):
    monkeypatch.setenv("MOORAGE_OFFLINE", "1")
    assert moorage.Market(URL).offline and not moorage.Market(URL, offline=False).offline
    monkeypatch.setenv("MOORAGE_CACHE", str(tmp_path / "other"))
    assert home() == tmp_path / "other"


def test_markets_share_files_and_keep_their_words_apart(online, tmp_path):
    online.download("alice/flats", tmp_path / "one")
    assert Cache("http://other").has(SHA["model.onnx"]) and Cache("http://other").kept("learnwares", "alice/flats") is None


def test_it_says_its_size_and_clears(online, tmp_path):
    online.download("alice/flats", tmp_path / "one")
    held = online.cache.size()
    assert (held.files, held.bytes) == (2, len(MODEL) + len(SPECIFICATION)) and held.documents == 2
    assert online.cache.clear() == held and online.cache.size().files == 0 and (tmp_path / "one" / "model.onnx").read_bytes() == MODEL
