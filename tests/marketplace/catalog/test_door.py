"""The corpus of hostile offers at the API's door: what is wrong with words, names and first bytes is said at once, in the one form, and nothing is kept."""

import warnings

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from marketplace.catalog.models import Artifact, Learnware, Version
from tests.soak import corpus


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        marker = tmp_path_factory.mktemp("door") / "marker"
        every = [*corpus.specifications(), *corpus.manifests(), *corpus.file_names(), *list(corpus.others())[::2], *list(corpus.pickles(marker))[::5], *list(corpus.cards())[::5]]
        # Names that the test client itself does not send are left to tests/soak/hostile.py.
        return [corpus._slugged(case, number) for number, case in enumerate(every) if case.codes != {"wrong-fields"}]


def offered(client, case):
    parts = {
        "manifest": SimpleUploadedFile("learnware.json", case.manifest, "application/json"),
        "model": SimpleUploadedFile(case.filename.replace("/", "_") or "x", case.model),
        "specification": SimpleUploadedFile("specification.json", case.specification, "application/json"),
    }
    return client.post("/api/v1/learnwares", parts, format="multipart")


def test_each_gets_the_answer_that_it_must_have(api, alice, cases):
    client, surprises, taken = api(alice), {}, 0
    for case in cases:
        answer = offered(client, case)
        said = answer.json()
        if case.where == "door":
            if not (400 <= answer.status_code < 500 and {"code", "message", "hint", "request_id"} <= said.keys() and ("*" in case.codes or said["code"] in case.codes)):
                surprises[case.name] = (answer.status_code, said.get("code"), sorted(case.codes))
        else:
            taken += 1
            if answer.status_code != 202:
                surprises[case.name] = (answer.status_code, said.get("code"), "to be taken")
    assert not surprises
    assert Version.objects.count() == Learnware.objects.count() == taken
    referred = set(Version.objects.values_list("model_id", flat=True)) | set(Version.objects.values_list("specification_id", flat=True))
    assert set(Artifact.objects.values_list("pk", flat=True)) == referred
