"""From whatever the home folder holds to a market that can be used: checked, migrated, seeded."""

import io
import os
import subprocess
import sys

from django.conf import settings
from django.core.management import call_command

from marketplace.demo import seeding


def make_ready(*, seed: bool = True) -> None:
    """Check settings, migrate, and seed the demo where the market is empty."""
    call_command("check", verbosity=0, stdout=io.StringIO())
    call_command("migrate", verbosity=0)
    if seed and seeding.is_needed():
        manage("seed_demo")


def manage(*words: str) -> int:
    """Run a command of manage.py in a process of its own: what it loads (torch, for one) is gone when it ends."""
    done = subprocess.run([sys.executable, "manage.py", *words], cwd=settings.BASE_DIR, env=dict(os.environ, MOORAGE_HOME=str(settings.HOME)))
    return done.returncode
