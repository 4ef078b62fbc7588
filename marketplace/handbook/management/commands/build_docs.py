"""manage.py build_docs OUT: the documentation as a folder of plain HTML that any web server can show."""

import os
import re
import shutil
from pathlib import Path
from typing import Any

from django.contrib.staticfiles import finders
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.test import RequestFactory
from django.test.utils import override_settings

from marketplace.handbook import reading, views

HELD = re.compile(r'(?P<kind>href|src)="(?P<address>/(?:docs|static)/[^"#?]*)')


class Command(BaseCommand):
    help = "Write the documentation as plain HTML into a new folder."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("out", type=Path, help="a folder that does not exist yet")

    def handle(self, *args: Any, out: Path, **options: Any) -> None:
        if out.exists() and any(out.iterdir()):
            raise CommandError(f"{out} exists and is not empty. Name another folder.")
        with override_settings(ROOT_URLCONF="marketplace.urls"):
            for name in reading.names():
                target = out / ("index.html" if name == "index" else f"{name}/index.html")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(self._alone(_page(name), target.parent, out))
        for path in sorted((reading.FOLDER / "images").iterdir()):
            if path.suffix in reading.IMAGES:
                (out / "images").mkdir(exist_ok=True)
                shutil.copyfile(path, out / "images" / path.name)
        self.stdout.write(f"{len(reading.names())} pages in {out}.")

    def _alone(self, html: str, folder: Path, out: Path) -> str:
        """The page with every address of the site made relative, and the files that it needs copied beside it."""

        def relative(found: re.Match) -> str:
            address = found["address"]
            if address.startswith("/static/"):
                name = address.removeprefix("/static/")
                source, target = finders.find(name), out / "static" / name
                if source and not target.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(source, target)
            else:
                inside = address.removeprefix("/docs/")
                target = out / inside if Path(inside).suffix in reading.IMAGES else out / inside / "index.html"
            return f'{found["kind"]}="{os.path.relpath(target, folder)}'

        return HELD.sub(relative, html)


def _page(name: str) -> str:
    from django.contrib.auth.models import AnonymousUser
    from django.contrib.messages.storage.cookie import CookieStorage

    request = RequestFactory().get("/docs/" if name == "index" else f"/docs/{name}/")
    request.user, request.htmx = AnonymousUser(), False
    request._messages = CookieStorage(request)
    return views.handbook(request, name).content.decode()
