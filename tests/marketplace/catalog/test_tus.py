"""tus 1.0: what has arrived stays, nothing is stored twice, nothing half is ever offered."""

import asyncio
import base64
import fcntl
import hashlib
import json
import threading
from datetime import timedelta

import numpy as np
import pytest
from django.conf import settings
from django.utils import timezone

from marketplace.catalog import artifacts, uploading
from marketplace.catalog.models import Upload, Version
from tests.marketplace.catalog.conftest import edited
from tests.marketplace.rows import homes, offered, table

pytestmark = pytest.mark.django_db
TUS = {"HTTP_TUS_RESUMABLE": "1.0.0"}
BYTES = np.random.default_rng(0).bytes(300_000)


def b64(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def begin(client, content=BYTES, name="model.skops", sha256=None, **headers):
    said = f"filename {b64(name)}" + (f",sha256 {b64(sha256)}" if sha256 else "")
    return client.post("/api/v1/uploads", HTTP_UPLOAD_LENGTH=str(len(content)), HTTP_UPLOAD_METADATA=said, **TUS | headers)


def send(client, url, content, offset, **headers):
    return client.patch(url, content, content_type="application/offset+octet-stream", HTTP_UPLOAD_OFFSET=str(offset), **TUS | headers)


def offset(client, url) -> int:
    answer = client.head(url, **TUS)
    assert answer.status_code == 200 and answer["Cache-Control"] == "no-store"
    return int(answer["Upload-Offset"])


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    (tmp_path / "uploads").mkdir()
    monkeypatch.setattr(uploading, "folder", lambda: tmp_path / "uploads")


@pytest.fixture
def client(api, alice):
    return api(alice)


@pytest.fixture
def url(client):
    return begin(client)["Location"]


@pytest.fixture
def whole(client):
    """whole(content) -> the id of an upload that has arrived."""

    def arrive(content: bytes, name="model.skops") -> str:
        url = begin(client, content, name)["Location"]
        assert send(client, url, content, 0).status_code == 204
        return url.rsplit("/", 1)[-1]

    return arrive


def test_a_file_arrives_in_two_parts(client, alice):
    digest = hashlib.sha256(BYTES).hexdigest()
    answer = begin(client, sha256=digest)
    assert answer.status_code == 201 and answer["Tus-Resumable"] == "1.0.0" and "Upload-Expires" in answer
    url = answer["Location"]
    first = send(client, url, BYTES[:100_000], 0)
    assert first.status_code == 204 and first["Upload-Offset"] == "100000"
    assert send(client, url, BYTES[100_000:], offset(client, url))["Upload-Offset"] == "300000"
    upload = Upload.objects.get(owner=alice)
    assert uploading.path(upload).read_bytes() == BYTES and upload.sha256 == digest and uploading.is_finished(upload)


def test_the_door_says_what_it_can_do(api):
    answer = api().options("/api/v1/uploads")
    assert answer.status_code == 204 and answer["Tus-Version"] == "1.0.0" and answer["Tus-Max-Size"] == str(settings.MAX_MODEL_BYTES)
    assert set(answer["Tus-Extension"].split(",")) == {"creation", "termination", "checksum", "expiration"} and answer["Tus-Checksum-Algorithm"] == "sha256,sha1"


@pytest.mark.parametrize("at", [0, 50_000, 200_000])
def test_a_part_that_begins_elsewhere_is_not_stored(client, url, at):
    send(client, url, BYTES[:100_000], 0)
    answer = send(client, url, BYTES[at : at + 10], at)
    assert answer.status_code == 409 and answer.json()["code"] == "wrong-offset" and offset(client, url) == 100_000


def test_an_upload_broken_at_twenty_points_is_the_same_file(client, alice):
    rng = np.random.default_rng(7)
    url = begin(client, sha256=hashlib.sha256(BYTES).hexdigest())["Location"]
    path = uploading.path(Upload.objects.get())
    for point in sorted(rng.integers(1, len(BYTES), 20)):
        at = offset(client, url)
        assert send(client, url, BYTES[at:point], at).status_code == 204
        with path.open("ab") as file:  # a write that a kill cut off before its row heard of it
            file.write(rng.bytes(1_000))
    at = offset(client, url)
    assert send(client, url, BYTES[at:], at).status_code == 204
    assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(BYTES).digest()


@pytest.mark.parametrize("name", ["sha256", "sha1"])
def test_a_part_is_held_against_its_checksum(client, url, name):
    wrong, right = (f"{name} {b64(hashlib.new(name, content).digest())}" for content in (b"other", BYTES[:5_000]))
    answer = send(client, url, BYTES[:5_000], 0, HTTP_UPLOAD_CHECKSUM=wrong)
    assert answer.status_code == 460 and answer.json()["code"] == "wrong-checksum" and offset(client, url) == 0
    assert send(client, url, BYTES[:5_000], 0, HTTP_UPLOAD_CHECKSUM=right).status_code == 204 and offset(client, url) == 5_000


def test_a_whole_that_is_not_what_its_sender_named_is_removed(client):
    url = begin(client, sha256="0" * 64)["Location"]
    answer = send(client, url, BYTES, 0)
    assert answer.status_code == 422 and answer.json()["code"] == "wrong-digest"
    assert client.head(url, **TUS).status_code == 404 and not list(uploading.folder().iterdir())


def test_a_cancelled_upload_is_gone(client, url):
    send(client, url, BYTES[:10], 0)
    path = uploading.path(Upload.objects.get())
    assert client.delete(url, **TUS).status_code == 204 and not path.exists()
    assert client.head(url, **TUS).status_code == 404 and send(client, url, BYTES[10:], 10).status_code == 404


def test_an_expired_upload_is_gone_and_swept(client, url):
    Upload.objects.update(expires=timezone.now() - timedelta(seconds=1))
    assert client.head(url, **TUS).status_code == 404
    path = uploading.path(Upload.objects.get())
    assert uploading.sweep() == 1 and not path.exists() and not Upload.objects.exists()


def test_while_one_writes_another_waits(client, url, monkeypatch):
    monkeypatch.setattr(uploading, "LOCK_WAIT_S", 0)
    with uploading.path(Upload.objects.get()).open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        answer = send(client, url, BYTES, 0)
    assert answer.status_code == 409 and answer.json()["code"] == "upload-busy" and offset(client, url) == 0


def test_a_writer_whose_upload_was_cancelled_meanwhile_keeps_nothing(client, alice):
    upload = uploading.begin(owner=alice, size=len(BYTES), name="x")

    class Slow:
        parts = [BYTES[:10], b""]

        def read(self, size):
            uploading.remove(upload)
            return self.parts.pop(0)

    with pytest.raises(uploading.Refused) as refused:
        uploading.append(upload, offset=0, stream=Slow())
    assert refused.value.code == "no-upload" and not list(uploading.folder().iterdir())


def test_what_came_before_the_line_broke_stays(alice):
    upload = uploading.begin(owner=alice, size=len(BYTES), name="x")
    for checksum, kept in ((("sha256", b"?" * 32), 0), (None, 100_000)):
        parts = iter([BYTES[:100_000]])

        class Broken:
            def read(self, size, parts=parts):
                if (part := next(parts, None)) is None:
                    raise uploading.UnreadablePostError("the line broke")
                return part

        assert uploading.append(upload, offset=0, stream=Broken(), checksum=checksum).offset == kept


def test_a_body_is_read_while_it_arrives():
    from marketplace.streaming import Arriving

    messages = [{"type": "http.request", "body": b"ab", "more_body": True}, {"type": "http.request", "body": b"cd", "more_body": True}, {"type": "http.disconnect"}]
    asked, seen = [], []

    async def receive():
        asked.append(1)
        return messages[len(asked) - 1]

    async def serve():
        body = Arriving(receive)

        def view():
            seen.append((body.read(2), len(asked)))
            seen.append((body.read(10), len(asked)))
            with pytest.raises(ConnectionAbortedError):
                body.read(10)

        thread = threading.Thread(target=view)
        thread.start()
        while thread.is_alive():
            await asyncio.sleep(0.001)

    asyncio.run(serve())
    assert seen == [(b"ab", 1), (b"cd", 3)]


def test_a_body_may_be_larger_than_what_is_held_in_memory(client, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000
    url = begin(client)["Location"]
    assert send(client, url, BYTES, 0).status_code == 204


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"HTTP_UPLOAD_LENGTH": "x"}, 400, "wrong-header"), ({"HTTP_UPLOAD_LENGTH": "0"}, 422, "empty-file"), ({"HTTP_UPLOAD_LENGTH": str(2**40)}, 413, "upload-too-large"),
        ({"HTTP_UPLOAD_METADATA": "filename ?"}, 400, "wrong-metadata"), ({"HTTP_UPLOAD_METADATA": f"sha256 {b64('short')}"}, 400, "wrong-metadata"),
        ({"HTTP_TUS_RESUMABLE": "0.2"}, 412, "wrong-tus-version"),
    ],
)
def test_what_can_not_begin_is_refused_with_words(client, headers, status, code):
    answer = client.post("/api/v1/uploads", **{"HTTP_UPLOAD_LENGTH": "10"} | TUS | headers)
    assert answer.status_code == status and answer.json()["code"] == code and answer.json()["hint"] and not Upload.objects.exists()


@pytest.mark.parametrize(
    ("headers", "content", "status", "code"),
    [
        ({"HTTP_UPLOAD_OFFSET": "-1"}, b"x", 400, "wrong-header"), ({"HTTP_UPLOAD_CHECKSUM": "md5 AAAA"}, b"x", 400, "wrong-header"),
        ({"HTTP_UPLOAD_CHECKSUM": "sha256 AAAA"}, b"x", 400, "wrong-header"), ({"content_type": "text/plain"}, b"x", 415, "wrong-media-type"), ({}, BYTES + b"x", 413, "too-many-bytes"),
    ],
)
def test_a_part_that_can_not_be_taken_is_refused_with_words(client, url, headers, content, status, code):
    given = {"HTTP_UPLOAD_OFFSET": "0", "content_type": "application/offset+octet-stream"} | TUS | headers
    answer = client.patch(url, content, **given)
    assert answer.status_code == status and answer.json()["code"] == code and offset(client, url) == 0


def test_who_may_not_is_told_so(api, alice, bob, url):
    assert begin(api()).status_code == 401 and begin(api(alice, ["read"])).status_code == 403
    assert api(bob).head(url, **TUS).status_code == 404 and send(api(bob), url, BYTES, 0).status_code == 404 and api(bob).delete(url, **TUS).status_code == 404


def test_a_session_sends_with_its_csrf_token(alice, url):
    from django.test import Client

    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    assert send(browser, url, BYTES[:10], 0).status_code == 403
    browser.get("/upload/")
    assert send(browser, url, BYTES[:10], 0, HTTP_X_CSRFTOKEN=browser.cookies["csrftoken"].value).status_code == 204


def test_one_person_has_so_many_uploads_and_so_much_room(client, settings):
    settings.UPLOADS_UNFINISHED = 2
    assert [begin(client).status_code for _ in range(3)] == [201, 201, 429]
    settings.UPLOADS_UNFINISHED, settings.UPLOAD_BYTES_EACH = 10, 700_000
    answer = begin(client)
    assert answer.status_code == 507 and answer.json()["code"] == "no-room" and answer.json()["hint"]


def test_known_bytes_are_told_only_to_who_may_use_them(api, alice, bob):
    version = offered(alice, "flats", homes(), table(np.random.default_rng(0)), model=b"weights")
    asked = {"sha256": version.model_id, "size": 7}
    assert api(bob).get("/api/v1/uploads/known", asked).json()["known"]
    assert not api(bob).get("/api/v1/uploads/known", asked | {"size": 8}).json()["known"]
    type(version.learnware).objects.update(visibility="private")
    assert not api(bob).get("/api/v1/uploads/known", asked).json()["known"] and api(alice).get("/api/v1/uploads/known", asked).json()["known"]
    assert api(bob).get("/api/v1/uploads/known", {"sha256": "x", "size": 1}).status_code == 400


# --- offers of what has arrived ----------------------------------------------------------------


def offer(client, files, model, specification, **more):
    body = {"manifest": json.loads(files["manifest"]), "model": model, "specification": specification} | more
    return client.post("/api/v1/learnwares", body, format="json")


def test_an_offer_of_uploads_is_checked_like_any_other(client, files, whole):
    found = files()
    model, specification = whole(found["model"].read()), whole(found["specification"], "specification.json")
    answer = offer(client, found, model, specification, visibility="private")
    assert answer.status_code == 202, answer.content
    assert not Upload.objects.exists() and not list(uploading.folder().iterdir())
    version = Version.objects.get()
    assert version.status == "checking" and version.learnware.visibility == "private" and version.model_id == json.loads(found["manifest"])["model"]["sha256"]


def test_an_offer_may_name_known_bytes_and_bring_the_document(client, files, whole):
    found = files()
    content = found["model"].read()
    assert offer(client, found, whole(content), json.loads(found["specification"])).status_code == 202
    again = {"manifest": edited(found["manifest"], version="1.1.0")}
    answer = offer(client, again, f"sha256:{hashlib.sha256(content).hexdigest()}", f"sha256:{Version.objects.get().specification_id}")
    assert answer.status_code == 202, answer.content
    assert {version.model_id for version in Version.objects.all()} == {hashlib.sha256(content).hexdigest()}


def test_somebody_elses_private_bytes_are_not_known(client, bob, files):
    version = offered(bob, "secret", homes(), table(np.random.default_rng(0)))
    type(version.learnware).objects.update(visibility="private")
    found = files()
    answer = offer(client, found, f"sha256:{version.model_id}", json.loads(found["specification"]))
    assert answer.status_code == 422 and answer.json()["code"] == "not-known"


def test_nothing_is_offered_before_all_has_arrived(client, files):
    found = files()
    content = found["model"].read()
    url = begin(client, content)["Location"]
    send(client, url, content[:100], 0)
    answer = offer(client, found, url.rsplit("/", 1)[-1], json.loads(found["specification"]))
    assert answer.status_code == 409 and answer.json()["code"] == "unfinished-upload" and not Version.objects.exists()


@pytest.mark.parametrize("named", ["no-id", "00000000-0000-4000-8000-000000000000", "sha256:x"])
def test_a_model_that_is_not_there_is_refused(client, files, named):
    found = files()
    answer = offer(client, found, named, json.loads(found["specification"]))
    assert answer.status_code == 422 and "model" in answer.json()["fields"]


def test_another_file_than_the_manifest_names_is_refused_and_stays_to_be_looked_at(client, files, whole):
    found = files()
    content = found["model"].read()
    answer = offer(client, files(low=0.3), whole(content), json.loads(found["specification"]))
    assert answer.status_code == 422 and answer.json()["code"] == "wrong-digest" and Upload.objects.count() == 1
    assert not artifacts.Artifact.objects.exists()


def test_a_check_before_the_first_byte_names_every_problem(client, files):
    found = files()
    document = json.loads(found["manifest"])
    body = {"manifest": document, "specification": json.loads(found["specification"])}
    assert client.post("/api/v1/learnwares/check", body, format="json").json() == {"reference": "alice/nuclei@1.0.0", "problems": []}
    wrong = document | {
        "licence": "Mine-1.0", "owner": "bob", "input": {"space": "0" * 64, "takes": "columns"}, "output": document["output"] | {"target": "radius"}, "surprise": 1,
        "parents": ["nobody/one@1.0.0", "nobody/two@1.0.0"], "base": {"learnware": "nobody/base@1.0.0"},
    }
    answer = client.post("/api/v1/learnwares/check", body | {"manifest": wrong, "statistics": True}, format="json")
    problems = answer.json()["problems"]
    assert answer.status_code == 422 and answer.json()["request_id"] and all(problem["message"] and problem["fix"] for problem in problems)
    assert [problem["code"] for problem in problems] == [
        "wrong-manifest", "wrong-manifest", "other-space", "target-is-input", "semantic-differs", "other-owner", "statistics-not-wanted", "unknown-base", "unknown-parent", "unknown-parent",
    ]


@pytest.mark.parametrize("specification", [None, {}, {"format": "x"}, "no-id"])
def test_a_check_says_what_is_wrong_with_the_specification(client, files, specification):
    answer = client.post("/api/v1/learnwares/check", {"manifest": json.loads(files()["manifest"]), "specification": specification}, format="json")
    assert answer.status_code == 422 and "specification" in answer.json()["fields"]


def test_a_check_knows_that_a_version_is_taken(client, files, upload):
    found = files()
    assert upload(client, found).status_code == 202
    answer = client.post("/api/v1/learnwares/check", {"manifest": json.loads(found["manifest"]), "specification": json.loads(found["specification"])}, format="json")
    assert answer.json()["problems"][0]["code"] == "version-exists" and "1.0.1" in answer.json()["problems"][0]["fix"]
