#!/usr/bin/env python3
# ruff: noqa: UP031, UP036 - an old Python must be able to read this file far enough to say what is wrong
"""One command for everything: makes .venv, installs what is pinned, and hands over. Standard library only.

    python3 run.py              install, seed, start web and worker, show the main job; Ctrl-C stops it
    python3 run.py demo         the main job alone, start to end (--json, --tasks all)
    python3 run.py test [...]   set up and pass the tests; what follows goes to pytest
    python3 run.py lint         ruff
    python3 run.py WORD [...]   any command of manage.py
"""

import hashlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import urllib.request

ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "Scripts" if os.name == "nt" else "bin", "python")
REQUIREMENTS = os.path.join(ROOT, "requirements.txt")
LOCK = os.path.join(ROOT, "requirements.lock")  # the same with the SHA-256 of every file (.ci/lock.py)
STAMP = os.path.join(VENV, "moorage-requirements.sha256")
TORCH_CPU = "https://download.pytorch.org/whl/cpu"
APT = ["apt-get", "install", "-y", "--no-install-recommends"]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main(arguments):
    if sys.version_info < (3, 11):
        stop("Moorage needs Python 3.11 or newer; this is %s.\nRun it as: python3.11 run.py" % platform.python_version())
    word, rest = (arguments[0], arguments[1:]) if arguments and not arguments[0].startswith("-") else ("up", arguments)
    if word == "up" and {"-h", "--help"} & set(rest[:1]):
        print(__doc__)
        return
    os.chdir(ROOT)
    prepare()
    if word == "test":
        find_browser()
        strict = ["-p", "tests.no_skips"] if os.environ.get("CI") else []
        hand_over([PYTHON, "-m", "pytest", "-n", "3", "--dist", "loadfile", "--no-loadscope-reorder", *strict, *rest])
    if word == "lint":
        hand_over([PYTHON, "-m", "ruff", "check", *(rest or ["."])])
    hand_over([PYTHON, "manage.py", word, *rest])


def prepare():
    """A .venv that holds exactly what requirements.lock names, byte for byte; nothing is done when it has not changed."""
    wanted = hashlib.sha256((read(REQUIREMENTS) + (read(LOCK) or "") + platform.python_version()).encode()).hexdigest()
    if os.path.exists(PYTHON) and read(STAMP) == wanted:
        return
    pip = make_venv()
    say("Installing the pinned requirements into .venv: a few minutes, once …")
    began, count = time.monotonic(), 0
    command = [*pip, "install", "--disable-pip-version-check", "--no-input", *what_to_install()]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    last = []
    for line in process.stdout:
        last = [*last[-30:], line]
        if line.startswith(("Collecting ", "Installing ")):
            count += 1
            words = line.split()
            say("  %3d  %-50s %4.0f s" % (count, " ".join(words[:2])[:50], time.monotonic() - began), over=True)
    if process.wait():
        stop("".join(last) + "\npip could not install the requirements (its last words are above).\n"
             "Is the package index reachable? Then run the same command again: it goes on where it stopped.\n"
             "Where it says that hashes do not match, a file is not the one that requirements.lock names: do not install it by other means.")
    # torch's build for CUDA asks for NVIDIA's libraries, which the lock leaves to it; to any other this changes nothing.
    torch = next(version for name, version in pins(REQUIREMENTS) if name == "torch")
    if not quiet([*pip, "install", "--disable-pip-version-check", "--no-input", "torch==" + torch]):
        stop("pip could not install what torch %s needs beside it.\nRun: .venv/bin/python -m pip install torch==%s   (it says why)" % (torch, torch))
    # The command `moorage` in .venv/bin; its requirements are there already.
    if not quiet([*pip, "install", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--editable", "."]):
        say("The command `moorage` could not be installed into .venv; `.venv/bin/python -m moorage` does the same.")
    with open(STAMP, "w") as file:
        file.write(wanted)
    say("Installed in %.0f s." % (time.monotonic() - began))


def make_venv():
    """Make .venv where it is missing; returns the pip command that installs into it."""
    import venv

    inside = [PYTHON, "-m", "pip"]
    if os.path.exists(PYTHON) and quiet([*inside, "--version"]):
        return inside
    outside = [sys.executable, "-m", "pip"]
    say("Making .venv with Python %s …" % platform.python_version())
    has_ensurepip = importlib.util.find_spec("ensurepip") is not None
    venv.EnvBuilder(with_pip=has_ensurepip, clear=os.path.exists(VENV)).create(VENV)
    if has_ensurepip:
        return inside
    if quiet([*outside, "--python", PYTHON, "--version"]):  # Debian without python3-venv, but with pip
        return [*outside, "--python", PYTHON]
    shutil.rmtree(VENV, ignore_errors=True)
    if can_install() and not os.environ.get("MOORAGE_NO_APT"):  # Debian with neither, as root
        say("Installing python3-venv …")
        if (quiet(APT + ["python3-venv"]) or quiet(["apt-get", "update"]) and quiet(APT + ["python3-venv"])) and quiet([sys.executable, "-m", "venv", VENV]):
            return inside
    stop("This Python has neither ensurepip nor pip, so it can not make .venv.\nRun: sudo apt install python3-venv   (then python3 run.py again)")


def what_to_install():
    """pip's options: every file by its SHA-256, from requirements.lock; from requirements.txt alone, and loudly, where somebody changed that and not yet the lock."""
    digest, options = cpu_build()
    if pins(REQUIREMENTS) != pins(LOCK):
        say("requirements.lock is not level with requirements.txt: what is installed now is not held against hashes. To mend it: python .ci/lock.py")
        return ["-r", "requirements.txt", *options]
    lock = read(LOCK)
    if digest:
        # pip prefers a file whose hash its index tells to one in a folder, whatever the version: so the CPU build is the only torch that is allowed.
        lock = re.sub(r"^(torch==\S+) \\\n(?:    --hash=\S+(?: \\)?\n?)+", lambda found: "%s --hash=sha256:%s\n" % (found.group(1), digest), lock + "\n", flags=re.MULTILINE)
    path = os.path.join(VENV, "moorage-requirements.lock")
    with open(path, "w") as file:
        file.write(lock + "\n")
    return ["--require-hashes", "--no-deps", "-r", path, *options]


def pins(path):
    """{name==version} of a requirements file, names as pip compares them."""
    found = re.findall(r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?==([^\s;\\\\]+)", read(path) or "", re.MULTILINE)
    return {(re.sub(r"[-_.]+", "-", name).lower(), version) for name, version in found}


def cpu_build():
    """(SHA-256, pip's options) of the CPU build of torch (0.2 GB instead of 5) on Linux without a GPU, where the lock knows it for this Python and it can be had; else ("", [])."""
    tag, machine = "cp%d%d" % sys.version_info[:2], platform.machine()
    known = re.search(r"^# (torch-\S+-%s-\S+%s\.whl) sha256:(\w+)" % (tag, machine), read(LOCK) or "", re.MULTILINE)
    if sys.platform != "linux" or os.path.exists("/dev/nvidia0") or not known:
        return "", []
    if any(os.path.exists(os.path.join(folder, known.group(1))) for folder in os.environ.get("PIP_FIND_LINKS", "").split()):
        return known.group(2), []
    try:
        with urllib.request.urlopen(TORCH_CPU + "/torch/", timeout=5):
            return known.group(2), ["--extra-index-url", TORCH_CPU]
    except OSError:
        return "", []


def find_browser():
    """The tests of pages want a Chromium: installed where that is possible, else they are skipped with a word."""
    if os.environ.get("MOORAGE_CHROMIUM") or any(shutil.which(name) for name in BROWSERS):
        return
    if can_install():
        say("Installing Chromium for the tests of pages …")
        if quiet(APT + ["chromium"]) or quiet(["apt-get", "update"]) and quiet(APT + ["chromium"]):
            return
    say("No Chromium: the tests of pages are skipped. To run them: sudo apt install chromium")


def can_install():
    return hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get") is not None


def hand_over(command):
    """Become the command where the system can; else run it and end as it ends."""
    if os.name == "nt":
        sys.exit(subprocess.call(command))
    sys.stdout.flush()
    os.execv(command[0], command)


def quiet(command):
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def read(path):
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return None


def say(text, over=False):
    """A line for the user; `over` lines replace one another on a terminal and are left out of a log."""
    if not over:
        print("\033[2K\r" * sys.stderr.isatty() + text, file=sys.stderr, flush=True)
    elif sys.stderr.isatty():
        print("\033[2K\r" + text, end="", file=sys.stderr, flush=True)


def stop(text):
    print(text, file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
