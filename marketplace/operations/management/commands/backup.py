"""manage.py backup"""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from marketplace.errors import Refused
from marketplace.operations import backing


class Command(BaseCommand):
    help = "Write the whole market to a new folder, as it was at one moment; web and workers go on."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="a new or empty folder")
        parser.add_argument("--with-key", action="store_true", help="also copy secret.key, which opens sessions and second factors; keep such a backup locked away")

    def handle(self, *, folder: Path, with_key: bool, **options: Any) -> None:
        try:
            made = backing.backup(folder, with_key=with_key)
        except Refused as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write(f"{folder}: the database, {made['artifacts']:,} artifacts ({made['bytes'] / 2**20:,.1f} MB) and {made['uploads']:,} uploads.")
        if wrong := [*made["missing"], *made["damaged"]]:
            raise CommandError(f"{len(wrong)} artifacts are missing or damaged in the store and so in the backup, such as {wrong[0]}: restore them from an older backup.")
