"""Results go where nothing is, whoever writes them."""

import pytest
from typer.testing import CliRunner

from moorage import cli, folders, local
from moorage.errors import Refused
from moorage.job import Job


@pytest.fixture(params=["a file", "a folder with a file"])
def taken(request, tmp_path):
    place = tmp_path / "taken"
    if request.param == "a file":
        place.write_text("mine")
    else:
        place.mkdir()
        (place / "mine.txt").write_text("mine")
    return place


@pytest.mark.parametrize("write", [lambda out: Job(None, {}).download(out), lambda out: local.reuse(None, None, out)], ids=["job.download", "reuse_here"])
def test_a_place_that_is_taken_is_refused_before_anything_is_asked(taken, write):
    with pytest.raises(Refused) as refused:
        write(taken)
    assert refused.value.code == "folder-exists" and str(taken) in refused.value.message


def test_so_does_the_command(taken, tmp_path):
    said = CliRunner().invoke(cli.app, ["reuse", str(tmp_path / "task.json"), "-o", str(taken)])
    assert isinstance(said.exception, Refused) and said.exception.code == "folder-exists"


def test_one_that_is_new_or_empty_will_do(tmp_path):
    folders.insist_on_new(tmp_path / "new")
    (tmp_path / "empty").mkdir()
    folders.insist_on_new(tmp_path / "empty")


@pytest.mark.parametrize(("params", "words"), [("{", "JSON"), ("[1]", "an object"), ("null", "an object")])
def test_parameters_of_a_reuse_are_an_object(tmp_path, params, words):
    said = CliRunner().invoke(cli.app, ["reuse", str(tmp_path / "task.json"), "-o", str(tmp_path / "out"), "--params", params])
    assert isinstance(said.exception, Refused) and said.exception.code == "wrong-params" and words in said.exception.message and "alpha" in said.exception.hint
