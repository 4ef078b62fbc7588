import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from tests.journeys import models


@pytest.fixture
def files(tmp_path):
    """files(name, kind, **manifest changes) -> what `services.submit` takes."""

    def write(name="nuclei", kind="skops", low=0.0, high=0.6, **changes):
        found = models.write(tmp_path, name, models.part(low, high), kind, **changes)
        model = SimpleUploadedFile(found["model"].name, found["model"].read_bytes())
        return {"manifest": found["manifest"], "model": model, "specification": found["specification"]}

    return write


@pytest.fixture
def upload():
    """upload(client, files) -> the answer of POST /learnwares."""

    def send(client, files):
        parts = {
            "manifest": SimpleUploadedFile("learnware.json", files["manifest"], "application/json"),
            "model": SimpleUploadedFile(files["model"].name, files["model"].read()),
            "specification": SimpleUploadedFile("specification.json", files["specification"], "application/json"),
        }
        return client.post("/api/v1/learnwares", parts, format="multipart")

    return send


def edited(document: bytes, **changes) -> bytes:
    return json.dumps(json.loads(document) | changes).encode()


