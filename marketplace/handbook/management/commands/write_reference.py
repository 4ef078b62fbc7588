"""manage.py write_reference: write the pages of docs/ that follow the code."""

from typing import Any

from django.core.management.base import BaseCommand

from marketplace.handbook import reading, writing


class Command(BaseCommand):
    help = "Write docs/methods.md and docs/rest.md from the code."

    def handle(self, *args: Any, **options: Any) -> None:
        for name, text in (("methods", writing.methods()), ("rest", writing.rest())):
            (reading.FOLDER / f"{name}.md").write_text(text)
            self.stdout.write(f"docs/{name}.md")
