"""Rows of a catalog in a database of its own, for runs that need no web: `with rows_market() as home:` sets Django up once in this process."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.journeys.site import ROOT


@contextmanager
def rows_market() -> Iterator[Path]:
    """A migrated SQLite market in a temporary home."""
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        os.environ |= {"MOORAGE_HOME": folder, "DJANGO_SETTINGS_MODULE": "marketplace.settings", "MOORAGE_LOG_LEVEL": "CRITICAL"}
        subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=ROOT, check=True)
        subprocess.run([sys.executable, "manage.py", "createcachetable"], cwd=ROOT, check=True)
        import django

        django.setup()
        yield Path(folder)
