"""How strong a sandbox this machine gives, found by trying, and which one is to be used.

none: limits and a process of its own. l1: also a uid of its own where started as root, Landlock and seccomp. full: l1 inside bubblewrap's namespaces.
"""

import json
import os
import subprocess
import sys
import threading
import warnings
from dataclasses import dataclass
from functools import lru_cache

from reuse.errors import ReuseError
from reuse.sandbox import bubble, kernel, landlock
from reuse.sandbox.syscalls import numbers

VARIABLE = "MOORAGE_SANDBOX_LEVEL"
CHOICES = ("auto", "full", "l1", "none")
TRIAL_S = 30
_own_machine = threading.Event()


@dataclass(frozen=True)
class Level:
    """`name` is the level at which models run, "" where they do not; `why` says what is missing for a higher one, or that somebody asked for it."""

    name: str
    why: str = ""

    @property
    def may_run(self) -> bool:
        """Whether a model may be executed."""
        return bool(self.name)

    def __str__(self) -> str:
        return f"{self.name or 'refuses to run models'}{f' ({self.why})' if self.why else ''}"


def wanted() -> str:
    """What the environment asks for; raises ReuseError for a word that is no level."""
    came = os.environ.get(VARIABLE, "").strip().lower() or "auto"
    if came not in CHOICES:
        raise ReuseError("wrong-sandbox-level", f"{VARIABLE} must be one of {', '.join(CHOICES)}; got {came!r}.", "docs/operations.md says what each is.")
    return came


def level() -> Level:
    """The level at which models are run here. Tried once in a process."""
    return _level(wanted(), _own_machine.is_set())


def required() -> Level:
    """The same; raises ReuseError where no model may be run."""
    found = level()
    if not found.may_run:
        raise ReuseError("no-sandbox", f"Running a model needs a sandbox of level l1 at least; this machine gives none: {found.why}.",
                         f"Use Linux 5.13 or newer on x86_64 or aarch64 with Landlock and seccomp, or let the operator set {VARIABLE} (docs/operations.md).")
    return found


def on_own_machine() -> None:
    """Say that whoever runs this process chose the models themselves and runs them on their own machine: where nothing better is to be had, limits do.

    Then they are warned. A market's workers never say this.
    """
    _own_machine.set()
    if (found := level()).name == "none":
        warnings.warn(f"The models run with limits alone, in a process of their own but without walls: {found.why}.", stacklevel=3)


@lru_cache(maxsize=16)
def _level(asked: str, own_machine: bool) -> Level:
    if asked == "none":
        return Level("none", f"asked for by {VARIABLE}: nothing keeps a model from this machine's files and network")
    reasons = []
    for name in ("full", "l1") if asked == "auto" else (asked,):
        reason = lacks(name)
        if not reason:
            return Level(name, "; ".join(reasons))
        reasons.append(f"{name}: {reason}")
    if asked == "auto" and own_machine:
        return Level("none", f"{'; '.join(reasons)}; the models are yours to choose")
    return Level("", "; ".join(reasons))


def lacks(name: str, python: str = "") -> str:
    """What this machine lacks for a level, by a trial; nothing when it holds."""
    if sys.platform != "linux":
        return f"Landlock and seccomp are Linux's, this is {sys.platform}"
    if not numbers():
        return f"the filters are written for x86_64 and aarch64, this is {os.uname().machine}"
    if not landlock.version():
        return "the kernel has no Landlock (it needs 5.13 or newer, and lsm=landlock)"
    if name == "full" and not bubble.program():
        return "bubblewrap is not installed (apt install bubblewrap)"
    return _tried(name, python)


def _tried(name: str, python: str) -> str:
    from reuse.sandbox.launch import Zygote

    try:
        zygote = Zygote(name, python=python, trial=True)
    except OSError as error:
        return f"it could not be started ({error.strerror})"
    try:
        if name == "full" and zygote.reading:
            return "Python, or the folder for temporary files, lies below a folder that only root may enter"
        answer, _ = zygote.process.communicate(timeout=TRIAL_S)
        left = json.loads(answer)["open"]
        return f"it left open: {', '.join(left)}" if left else ""
    except subprocess.TimeoutExpired:
        return f"its trial did not end within {TRIAL_S} s"
    except (ValueError, KeyError, TypeError):
        return f"its trial failed ({zygote.last_words()})"
    finally:
        zygote.stop()


def forget() -> None:
    """Try again at the next question: for tests that take things away."""
    _level.cache_clear()


def facts() -> dict[str, object]:
    """What the level rests on, for operators."""
    return {"level": level().name or "refuses", "why": level().why, "landlock": landlock.version(), "machine": os.uname().machine if kernel.LINUX else sys.platform}


if __name__ == "__main__":
    print(json.dumps(facts()))
