"""What is installed is what somebody looked at: the lock is level with requirements.txt, names a hash for every file, and run.py installs from it."""

import hashlib
import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def module(path: str):
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_the_lock_is_level_with_the_requirements():
    assert module(".ci/lock.py").problems() == []


def test_run_py_installs_by_the_hashes_of_the_lock_alone(monkeypatch):
    run = module("run.py")
    assert run.what_to_install()[:4] == ["--require-hashes", "--no-deps", "-r", "requirements.lock"]


def test_run_py_says_so_where_the_lock_is_behind(monkeypatch, tmp_path, capsys):
    run = module("run.py")
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
