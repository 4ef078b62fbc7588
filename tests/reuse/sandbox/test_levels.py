"""Which level is taken, what is said where there is none, and what a Sandbox keeps between calls."""

import os
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from reuse import ReuseError
from reuse.sandbox import client, identity, landlock, launch, limits, probe, shared
from tests.reuse.sandbox.test_sandbox import asked, columns, models


@pytest.fixture
def no_landlock(monkeypatch):
    monkeypatch.setattr(landlock, "version", lambda: 0)
    monkeypatch.delenv(probe.VARIABLE, raising=False)
    monkeypatch.setattr(probe, "_own_machine", threading.Event())  # a test before may have run a model of its own user's choice
    probe.forget()
    yield
    probe.forget()


def test_without_walls_nothing_is_executed_and_the_reason_is_said(no_landlock, members):
    with pytest.raises(ReuseError) as refused:
        client.Sandbox().predict(asked(members[0]), models.space().to_json(), columns())
    assert refused.value.code == "no-sandbox" and "Landlock" in refused.value.message and "MOORAGE_SANDBOX_LEVEL" in refused.value.hint


def test_the_walls_go_down_when_somebody_says_so_alone(no_landlock, monkeypatch):
    assert not probe.level().may_run
    monkeypatch.setenv(probe.VARIABLE, "none")
    assert probe.level().name == "none" and "asked for" in probe.level().why
    monkeypatch.setenv(probe.VARIABLE, "strong")
    with pytest.raises(ReuseError, match="must be one of auto, full, l1, none; got 'strong'"):
        probe.level()


def test_on_ones_own_machine_limits_do_after_a_warning(no_landlock, monkeypatch):
    with pytest.warns(UserWarning, match="with limits alone"):
        probe.on_own_machine()
    assert probe.level().name == "none"
    monkeypatch.setenv(probe.VARIABLE, "l1")
    assert not probe.level().may_run


def test_this_machine_has_walls():
    assert probe.lacks("l1") == ""
    assert probe.required().name in ("l1", "full")


@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_started_as_root_it_is_somebody_else_wherever_python_lies(tmp_path, monkeypatch, mode):
    import tempfile

    tmp_path.chmod(mode)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    zygote = launch.Zygote("l1", trial=True)
    try:
        answer, _ = zygote.process.communicate(timeout=30)
        assert b'"open": []' in answer, zygote.last_words()
        assert (zygote.uid is not None and zygote.uid > 60000) == (os.geteuid() == 0)
    finally:
        zygote.stop()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_only_its_owner_may_enter_is_seen(tmp_path):
    (tmp_path / "file").write_text("x")
    tmp_path.chmod(0o700)
    assert not identity.can_reach(tmp_path / "file") and not identity.can_reach(tmp_path / "absent")
    assert identity.can_reach("/usr")


def test_scratch_of_a_killed_owner_is_swept_and_of_a_living_one_is_kept(tmp_path, monkeypatch):
    import fcntl
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("dead", "alive"):
        (tmp_path / f"{launch.PREFIX}{name}").mkdir()
        (tmp_path / f"{launch.PREFIX}{name}" / "lock").touch()
    with (tmp_path / f"{launch.PREFIX}alive" / "lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        launch.sweep()
        assert [path.name for path in tmp_path.iterdir()] == [f"{launch.PREFIX}alive"]


def test_a_fresh_zygote_takes_over_when_it_is_ready(monkeypatch):
    """With pipes in the place of processes; the real thing runs in tests/soak/sandbox.py."""
    made, stopped = [], []

    def zygote(level, python=""):
        reading, writing = os.pipe()
        made.append(SimpleNamespace(level=level, calls=0, process=SimpleNamespace(stdout=os.fdopen(reading, "rb"), poll=lambda: None), say=writing))
        made[-1].stop = lambda own=made[-1]: stopped.append(own)
        return made[-1]

    monkeypatch.setattr(client.Sandbox, "zygote", staticmethod(zygote))
    monkeypatch.setattr(client, "_greeted", lambda fresh, level: True)
    own = client.Sandbox(recycle=3)
    own._zygote = old = zygote("l1")
    for old.calls in (1, 2):
        own._renew(old)
    assert len(made) == 1
    old.calls = 3
    own._renew(old)
    own._renew(old)
    assert len(made) == 2 and own._zygote is old and not stopped  # loading takes seconds, in which the old one goes on
    os.write(made[1].say, b"x")
    own._renew(old)
    assert own._zygote is made[1] and stopped == [old] and own._next is None
    for each in made:
        os.close(each.say)
        each.process.stdout.close()


def test_the_zygote_has_no_rights_and_no_way_back():
    own = shared()
    own.warm()
    pid = own._zygote.process.pid
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2" and status["Threads"] == "1"
    assert int(status["CapEff"], 16) in (0, 1 << 2)  # at most reading what modes forbid; Landlock says where
    if os.geteuid() == 0:
        assert int(status["Uid"].split()[0]) == own._zygote.uid


def test_the_threads_of_a_user_are_counted():
    import threading

    gate = threading.Event()
    before = limits.tasks_of(os.getuid())
    held = [threading.Thread(target=gate.wait) for _ in range(20)]
    for thread in held:
        thread.start()
    after = limits.tasks_of(os.getuid())
    gate.set()
    for thread in held:
        thread.join()
    assert before >= 1 and after >= before + 10  # others of this user come and go


@pytest.mark.parametrize("report", [
    None, [], {}, {"format": "skops"},
    {"format": "skops", "merge_family": "", "points": 3, "parameters": 0, "seconds": 0.1, "sample": [], "tensors": [{"name": "w", "dtype": "F32", "shape": [-1]}]},
    {"format": "skops", "merge_family": "x" * 65, "points": 3, "parameters": 0, "seconds": 0.1, "sample": [], "tensors": []},
    {"format": "skops", "merge_family": "", "points": 0, "parameters": 0, "seconds": 0.1, "sample": [], "tensors": []},
    {"format": "skops", "merge_family": "", "points": 3, "parameters": 0, "seconds": 0.1, "sample": [], "tensors": [], "n" * 41: 1},
])
def test_a_report_that_is_none_is_not_believed(report):
    with pytest.raises(ReuseError) as refused:
        client._report(report)
    assert refused.value.code == "model-crashed"


def test_a_child_that_answers_for_the_next_one_as_well_is_not_heard(tmp_path):
    """What follows an answer would be read as the answer to the next request: another user's."""
    from reuse.sandbox import wire
    from tests.soak.sandbox import Hostile

    class Doubling(Hostile):
        WORDS = ("-c", """
import os, sys
from reuse.sandbox import wire, zygote

def answer(request, arrays, tell):
    if request["do"] == "double":
        os.write(3, wire.pack({"pong": 1}) + wire.pack({"pong": "forged"}))
        os._exit(0)
    return {"pong": True}, []

def libraries():
    import reuse.sandbox.work as work
    work.answer = answer

zygote.libraries = libraries
sys.exit(zygote.main())
""")

    assert not wire.is_whole(wire.pack({}) + wire.pack({}))
    own = client.Sandbox(level="l1")
    own._zygote = Doubling("l1")
    try:
        assert client._greeted(own._zygote, "l1")
        with pytest.raises(ReuseError, match="ended its process"):
            own._call({"do": "double"})
        assert own._call({"do": "ping"})[0] == {"pong": True}
    finally:
        own.close()
