"""Offering: what is taken, what is refused and why, and that a refusal leaves nothing behind."""

import json
import time

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile

from marketplace.catalog import services, worker
from marketplace.catalog.models import Artifact, Learnware, Space, Version
from tests.marketplace.catalog.conftest import edited

pytestmark = pytest.mark.django_db


def test_an_offer_waits_for_its_check_and_then_is_found(alice, files):
    version = services.submit(owner=alice, **files())
    assert version.status == "checking" and version.reference == "alice/nuclei@1.0.0"
    assert not Version.objects.latest().exists()
    worker.check(version.pk)
    version.refresh_from_db()
    assert version.status == "usable" and version.is_latest and version.report["format"] == "skops"
    assert "<h1" in version.card_html or "<h2" in version.card_html


@pytest.mark.parametrize("kind", ["skops", "onnx", "safetensors"])
def test_each_format_passes_its_check(alice, files, kind):
    version = services.submit(owner=alice, **files(kind=kind))
    worker.check(version.pk)
    version.refresh_from_db()
    assert version.status == "usable", version.refusal
    assert bool(version.merge_family) == (kind == "safetensors")


def test_the_manifest_says_whose_it_is(api, alice, files):
    version = services.submit(owner=alice, **files(owner="alice"))
    assert version.manifest["owner"] == "alice" and services.submit(owner=alice, **files("other")).manifest["owner"] == "alice"


def test_the_first_offer_founds_its_space_and_the_second_joins(alice, bob, files):
    services.submit(owner=alice, **files("one"))
    services.submit(owner=bob, **files("two"))
    assert Space.objects.get().founder == alice


def test_a_version_never_changes(api, alice, files, upload):
    client = api(alice)
    assert upload(client, files()).status_code == 202
    again = upload(client, files(low=0.1))
    assert again.status_code == 409 and again.json()["code"] == "version-exists" and "1.0.1" in again.json()["hint"]


def test_the_latest_is_the_highest_number_and_not_the_last_that_came(alice, files):
    for number in ("1.10.0", "1.9.0"):
        version = services.submit(owner=alice, **files(version=number))
        worker.check(version.pk)
    assert Version.objects.latest().get().number == "1.10.0"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda f: f | {"manifest": b"{"}, "wrong-manifest"),
        (lambda f: f | {"manifest": edited(f["manifest"], name="No Slug")}, "wrong-manifest"),
        (lambda f: f | {"manifest": edited(f["manifest"], surprise=1)}, "wrong-manifest"),
        (lambda f: f | {"manifest": edited(f["manifest"], owner="bob")}, "other-owner"),
        (lambda f: f | {"manifest": edited(f["manifest"], licence="Mine-1.0")}, "wrong-manifest"),
        (lambda f: f | {"manifest": edited(f["manifest"], task="regression")}, "wrong-manifest"),
        (lambda f: f | {"manifest": edited(f["manifest"], input={"space": "0" * 64, "takes": "columns"})}, "other-space"),
        (lambda f: f | {"manifest": edited(f["manifest"], output={"kind": "classes", "target": "radius", "classes": ["a", "b"]})}, "target-is-input"),
        (lambda f: f | {"manifest": edited(f["manifest"], base={"learnware": "nobody/nothing@1.0.0"})}, "unknown-base"),
        (lambda f: f | {"manifest": edited(f["manifest"], parents=["nobody/nothing@1.0.0"])}, "unknown-parent"),
        (lambda f: f | {"specification": b"{}"}, "wrong-format"),
        (lambda f: f | {"specification": b"radius,texture\n1,2\n"}, None),
        (lambda f: f | {"model": SimpleUploadedFile("m.skops", f["model"].read()[:-40])}, None),
        (lambda f: f | {"model": SimpleUploadedFile("m.skops", b"\x80\x04K\x01.")}, "pickle-refused"),
        (lambda f: f | {"model": SimpleUploadedFile("m.skops", b"")}, None),
    ],
)
def test_a_refusal_has_a_reason_and_leaves_nothing(api, alice, files, upload, change, code):
    answer = upload(api(alice), change(files()))
    said = answer.json()
    assert 400 <= answer.status_code < 500 and set(said) >= {"code", "message", "hint", "request_id"}
    assert code is None or said["code"] == code, said
    assert not Version.objects.exists() and not Artifact.objects.exists() and not Learnware.objects.exists()
    assert gone_soon(settings.HOME / "storage" / "unfinished")


def gone_soon(folder, seconds=10):
    """Whether the folder is found empty: tests that run beside this one write into the same store, for a moment each."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not any(folder.glob("*")):
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize(
    ("kind", "changes", "code"),
    [
        ("skops", {"output": {"kind": "classes", "target": "diagnosis", "classes": ["a", "b"]}}, "signature-lies"),
        ("safetensors", {"output": {"kind": "classes", "target": "diagnosis", "classes": ["a", "b", "c"]}}, "signature-lies"),
        ("onnx", {"output": {"kind": "classes", "target": "diagnosis", "classes": ["a", "b", "c"]}}, "signature-lies"),
        ("onnx", {"task": "regression", "output": {"kind": "value", "target": "diagnosis"}}, None),
    ],
)
def test_a_signature_that_lies_is_refused_by_the_check(alice, files, kind, changes, code):
    found = files(kind=kind, **changes)
    if "task" in changes:
        document = json.loads(found["specification"])
        document["semantic"] = {"target": "diagnosis"}
        found["specification"] = json.dumps(document).encode()
    version = services.submit(owner=alice, **found)
    worker.check(version.pk)
    version.refresh_from_db()
    assert version.status == "refused" and version.refusal["message"] and (code is None or version.refusal["code"] == code)
    assert not Version.objects.latest().exists()


def test_a_stored_file_that_was_damaged_is_refused_and_not_run(alice, files):
    version = services.submit(owner=alice, **files())
    sha = version.model_id
    path = settings.HOME / "storage" / sha[:2] / sha[2:4] / sha
    path.chmod(0o600)
    path.write_bytes(b"\0" * path.stat().st_size)
    worker.check(version.pk)
    version.refresh_from_db()
    assert version.status == "refused" and version.refusal["code"] == "artifact-damaged"
    path.unlink()


def test_a_check_runs_once_however_often_the_bell_rings(alice, files, monkeypatch):
    version = services.submit(owner=alice, **files())
    calls = []
    original = worker._open
    monkeypatch.setattr(worker, "_open", lambda *given: calls.append(1) or original(*given))
    worker.check(version.pk)
    worker.check(version.pk)
    assert len(calls) == 1


def test_a_card_shows_words_and_runs_nothing(alice, files):
    card = "# Hello\n\n<script>alert(1)</script> [x](javascript:alert(1)) ![y](https://elsewhere.example/p.png) <img src=x onerror=alert(1)>"
    version = services.submit(owner=alice, **files(card=card))
    worker.check(version.pk)
    version.refresh_from_db()
    assert "<h2>Hello</h2>" in version.card_html  # below the page's own heading
    assert not any(evil in version.card_html.lower() for evil in ("<script", "<img", 'href="javascript', "<a "))
