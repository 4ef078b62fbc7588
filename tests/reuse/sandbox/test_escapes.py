"""What a stranger's model tries comes to nothing; the same things succeed outside. The whole, under every user and level: `python -m tests.soak.escape`."""

import os

import pytest

from tests.reuse.sandbox import battery, stages

ROOT = os.geteuid() == 0


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Where every user may read a copy of what the battery needs."""
    import shutil
    import tempfile
    from pathlib import Path

    folder = Path(tempfile.mkdtemp(prefix="moorage-battery-"))
    yield stages.lay_out(folder)
    shutil.rmtree(folder, ignore_errors=True)


def opened(found: dict[str, str]) -> dict[str, str]:
    return {name: said for name, said in found.items() if not said.startswith(("refused: ", "killed: ", "refused"))}


def test_nothing_is_open_inside_and_everything_is_outside(place):
    inside, outside = stages.battery(place, "l1"), stages.battery(place, "none")
    assert len(inside) > 90 and opened(inside) == {}
    assert {name: outside[name] for name in battery.able(ROOT) if not outside[name].startswith("open")} == {}
    assert outside["(the neighbours' files are as they were)"] == "open"


@pytest.mark.parametrize("name", ["ptrace", "unshare", "mount", "bpf", "keyctl", "io_uring_setup"])
def test_what_is_worst_ends_the_process(place, name):
    tried = {"ptrace": "be_traced", "unshare": "user_namespace", "mount": "mount", "bpf": "bpf", "keyctl": "keyring", "io_uring_setup": "io_uring"}[name]
    assert stages.battery(place, "l1", tried)[tried] == "killed: SIGSYS"


@pytest.mark.parametrize("words", [("l1",), ("--without=namespaces", "l1")], ids=["as a user", "as a user, without namespaces"])
def test_an_ordinary_user_has_the_same_walls(place, words):
    python = stages.python_for_all()
    if not python:
        assert not ROOT, "no Python that another user may start (apt install python3)"
    assert opened(stages.battery(place, *words, uid=stages.SOMEBODY, python=python)) == {}


@pytest.mark.parametrize("lacking", ["landlock", "seccomp"])
def test_a_kernel_that_lacks_a_wall_runs_no_model(place, lacking):
    said = stages.battery(place, f"--without={lacking}", "level")
    assert said["level"] == "refuses" and said["why"]


def test_a_container_that_refuses_namespaces_has_the_other_walls(place):
    said = stages.battery(place, "--without=namespaces", "level")
    assert said["level"] == "l1" and "full" in said["why"]


def test_what_the_operator_asks_for_is_what_there_is_or_nothing_runs(place):
    assert stages.battery(place, "--without=namespaces", "level", MOORAGE_SANDBOX_LEVEL="full")["level"] == "refuses"
    assert stages.battery(place, "level", MOORAGE_SANDBOX_LEVEL="l1")["level"] == "l1"
    assert stages.battery(place, "--without=landlock", "level", MOORAGE_SANDBOX_LEVEL="none")["level"] == "none"
