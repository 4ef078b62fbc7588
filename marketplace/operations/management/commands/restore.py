"""manage.py restore"""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from marketplace.errors import Refused
from marketplace.operations import backing


class Command(BaseCommand):
    help = "Make this market what a backup holds, after every byte of it has been verified. Stop web and workers first."
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="what `manage.py backup` wrote")
        parser.add_argument("--over", action="store_true", help="replace what this market holds")
        parser.add_argument("--check", action="store_true", help="verify the backup alone, restore nothing")

    def handle(self, *, folder: Path, over: bool, check: bool, **options: Any) -> None:
        try:
            if check:
                held = backing.read(folder)
                self.stdout.write(f"{folder} is whole: made {held['made']}, {held['artifacts']:,} artifacts, {held['database']}.")
                return
            backing.restore(folder, over=over)
        except Refused as refusal:
            raise CommandError(str(refusal)) from None
        found = backing.verify()
        if found["missing"] or found["damaged"] or found["database"] != "ok":
            raise CommandError(f"Restored, but not whole: {len(found['missing'])} artifacts are missing, {len(found['damaged'])} damaged; the database: {found['database']}.")
        self.stdout.write(f"Restored and verified: {found['artifacts']:,} artifacts. Start web and workers; the indexes are built at the first search.")
