"""How much JavaScript a page loads before anybody did anything: under 120 kB as gzip sends it."""

import gzip
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.urls import reverse

MOST = 120_000
SCRIPT = re.compile(r'<script[^>]*\bsrc="/static/([^"?]+)')
IMPORT = re.compile(r'''(?:\bfrom|^import)\s*["'](\.[^"']+)["']''', re.MULTILINE)


def loaded(html: str) -> dict[Path, int]:
    """Every script of a page, and what those import: {file: bytes}."""
    found: dict[Path, int] = {}
    waiting = [Path(finders.find(name)) for name in SCRIPT.findall(html)]
    while waiting:
        path = waiting.pop().resolve()
        if path not in found:
            text = path.read_text()
            found[path] = len(gzip.compress(text.encode(), 6))
            waiting += [path.parent / name for name in IMPORT.findall(text)]
    return found


@pytest.mark.parametrize("name", ["home", "explore", "match", "upload", "jobs", "requests", "compare", "sign-in", "tokens", "notifications", "docs"])
def test_a_page_loads_little_javascript(client, alice, name):
    client.force_login(alice)
    answer = client.get(reverse(name), follow=True)
    assert answer.status_code == 200
    sizes = loaded(answer.content.decode())
    assert len(sizes) >= 4 and sum(sizes.values()) < MOST, {path.name: size for path, size in sizes.items()}


def test_imports_of_imports_are_counted(client, alice):
    client.force_login(alice)
    names = {path.name for path in loaded(client.get(reverse("upload")).content.decode())}
    assert {"page.js", "files.js", "manifest.js", "htmx-2.min.js", "bootstrap.bundle.min.js"} <= names
