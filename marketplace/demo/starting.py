"""From whatever the home folder holds to a market that can be used: checked, migrated, seeded."""

import io
import os
import subprocess
import sys

from django.conf import settings
from django.core.management import call_command

from marketplace.demo import seeding


def walls(host: str = "127.0.0.1") -> str:
    """What to tell about the sandbox. Where no sandbox can be had, a market for this machine alone runs models with limits only, and says so loudly.

    Landlock and seccomp are Linux's. On another system whoever starts the demo on a loopback address is the only one to offer models to it; a market
    that others reach refuses to run any until its operator says otherwise (MOORAGE_SANDBOX_LEVEL).
    """
    from reuse.sandbox import probe

    if sys.platform != "linux" and probe.VARIABLE not in os.environ and host in ("127.0.0.1", "localhost", "::1"):
        os.environ[probe.VARIABLE] = "none"  # for web, worker and seeding, which are our children
        return (f"WARNING: {sys.platform} has no Landlock and no seccomp, so models run with limits alone. That is for trying Moorage out with models of your own: "
                "let nobody else offer models here, and run a market for others on Linux (docs/operations.md).")
    return f"Sandbox: {probe.level()}"


def make_ready(*, seed: bool = True) -> None:
    """Check settings, migrate, and seed the demo where the market is empty."""
    call_command("check", verbosity=0, stdout=io.StringIO())
    call_command("migrate", verbosity=0)
    for counts in (settings.HOME / "metrics").glob("*.db"):
        counts.unlink(missing_ok=True)  # of processes that are gone: each start counts anew
    if seed and seeding.is_needed():
        manage("seed_demo")


def manage(*words: str) -> int:
    """Run a command of manage.py in a process of its own: what it loads (torch, for one) is gone when it ends."""
    done = subprocess.run([sys.executable, "manage.py", *words], cwd=settings.BASE_DIR, env=dict(os.environ, MOORAGE_HOME=str(settings.HOME)))
    return done.returncode
