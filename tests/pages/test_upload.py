"""The upload page with its own fields instead of a learnware.json."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from marketplace.catalog import worker
from marketplace.catalog.models import Version
from tests.journeys import models

pytestmark = pytest.mark.django_db


@pytest.fixture
def send(client, alice, tmp_path):
    client.force_login(alice)

    def post(kind="skops", **changes):
        files = models.write(tmp_path, "nuclei", models.part(0, 0.6), kind)
        fields = {
            "name": "by-hand", "version": "1.0.0", "title": "By hand", "task": "classification", "target": models.TARGET, "classes": ", ".join(models.CLASSES),
            "takes": "columns", "licence": "MIT", "unit": "", "architecture": "", "card": "# Mine",
            "model": SimpleUploadedFile(files["model"].name, files["model"].read_bytes()),
            "specification": SimpleUploadedFile("specification.json", files["specification"]),
        }
        return client.post(reverse("upload"), fields | changes)

    return post


def test_a_model_is_offered_without_a_manifest(send):
    answer = send()
    assert answer.status_code == 302, answer.content.decode()
    version = Version.objects.get()
    worker.check(version.pk)
    version.refresh_from_db()
    assert version.status == "usable" and version.reference == "alice/by-hand@1.0.0" and version.licence == "MIT"


def test_a_network_names_its_architecture(send):
    answer = send("safetensors", takes="coordinates", architecture='{"name": "linear", "config": {"inputs": 10, "outputs": 2}}')
    assert answer.status_code == 302, answer.content.decode()
    worker.check(Version.objects.get().pk)
    assert Version.objects.get().status == "usable" and Version.objects.get().merge_family


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "No Slug!"}, "slug"), ({"version": "one"}, "1.0.0"), ({"licence": ""}, "Fill this in"), ({"target": ""}, "Fill this in"), ({"classes": "benign"}, "2 to 1,000"),
        ({"target": "radius"}, "one of the space"), ({"architecture": "{"}, "JSON"), ({"model": SimpleUploadedFile("m.pkl", b"\x80\x04K\x01.")}, "moorage convert"),
        ({"specification": SimpleUploadedFile("s.json", b"radius,texture\n1,2")}, "specification"), ({"model": ""}, "required"),
    ],
)
def test_what_is_wrong_is_said_on_the_page_and_nothing_is_kept(send, changes, words):
    answer = send(**changes)
    page = answer.content.decode()
    assert answer.status_code == 422 and words.lower() in page.lower() and not Version.objects.exists()
