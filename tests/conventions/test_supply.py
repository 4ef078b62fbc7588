"""What is installed is what somebody looked at: the lock is level with requirements.txt, names a hash for every file, and run.py installs from it."""

import hashlib
import importlib.util
import platform
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def module(path: str):
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_the_lock_is_level_with_the_requirements():
    assert module(".ci/lock.py").problems() == []


@pytest.fixture
def run(monkeypatch, tmp_path):
    """run.py with an environment of its own that is empty, on a machine without a GPU and without a network."""
    run = module("run.py")
    monkeypatch.setattr(run, "VENV", str(tmp_path))
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setattr(run.urllib.request, "urlopen", lambda *args, **kwargs: (_ for _ in ()).throw(OSError("no network")))
    return run


def test_run_py_installs_by_the_hashes_of_the_lock_alone(run):
    options = run.what_to_install()
    assert options[:3] == ["--require-hashes", "--no-deps", "-r"] and len(options) == 4
    assert Path(options[3]).read_text().strip() == (ROOT / "requirements.lock").read_text().strip()


@pytest.mark.skipif(sys.platform != "linux" or sys.version_info[:2] != (3, 11) or platform.machine() != "x86_64", reason="the lock knows this build of torch alone")
def test_of_torch_only_the_cpu_build_is_allowed_where_a_folder_has_it(run, monkeypatch, tmp_path):
    name, digest = re.search(r"^# (torch-\S+\+cpu-cp311-\S+) sha256:(\w+)$", (ROOT / "requirements.lock").read_text(), re.MULTILINE).groups()
    (tmp_path / name).write_bytes(b"")
    monkeypatch.setenv("PIP_FIND_LINKS", f"/nowhere {tmp_path}")
    text = Path(run.what_to_install()[3]).read_text()
    assert re.search(rf"^torch==\S+ --hash=sha256:{digest}$", text, re.MULTILINE)
    others = lambda lock: {line for line in lock.splitlines() if "==" in line and not line.startswith(("torch==", "#"))}  # noqa: E731
    assert others(text) == others((ROOT / "requirements.lock").read_text())
    lines = text.splitlines()
    after = lines[next(i for i, line in enumerate(lines) if line.startswith("torch==")) + 1]
    assert "==" in after  # nothing is left of its other hashes


def test_run_py_says_so_where_the_lock_is_behind(run, monkeypatch, tmp_path, capsys):
    behind = tmp_path / "requirements.lock"
    behind.write_text((ROOT / "requirements.lock").read_text().replace("\ndjango==", "\ndjango==0.", 1))
    monkeypatch.setattr(run, "LOCK", str(behind))
    assert run.what_to_install()[:2] == ["-r", "requirements.txt"]
    assert "not held against hashes" in capsys.readouterr().err


def test_a_lock_that_lacks_a_package_a_version_or_a_hash_is_found(monkeypatch, tmp_path):
    lock = module(".ci/lock.py")
    whole = (ROOT / "requirements.lock").read_text()
    monkeypatch.setattr(lock, "LOCK", tmp_path / "requirements.lock")
    for text in (whole.replace("\nnumpy==", "\nnumpi==", 1), re.sub(r"\nnumpy==\S+", "\nnumpy==0.1", whole, count=1), re.sub(r"(\nnumpy==\S+) \\\n(?:    --hash=\S+(?: \\)?\n)+", r"\1\n", whole, count=1)):
        assert text != whole
        lock.LOCK.write_text(text)
        assert any("numpy" in line for line in lock.problems())


def test_every_platform_that_is_promised_has_its_file_of_torch():
    """By the number of files: wheels of four platforms for each of four Pythons, and the CPU builds that the head names."""
    text = (ROOT / "requirements.lock").read_text()
    block = re.search(r"^torch==(?:[^\n]*\\\n)+[^\n]*", text, re.MULTILINE)[0]
    named = re.findall(r"^# (torch-\S+\+cpu-\S+) sha256:([0-9a-f]{64})$", text, re.MULTILINE)
    assert block.count("--hash=") >= 16 and named
    assert all(digest in block and len(digest) == hashlib.sha256().digest_size * 2 for _, digest in named)
