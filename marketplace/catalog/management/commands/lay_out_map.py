"""manage.py lay_out_map: bring the map of the catalog level with it, now."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from marketplace.catalog import mapping
from marketplace.catalog.models import Island, Place


class Command(BaseCommand):
    help = "Place what is new on the map of the catalog; workers do it every minute."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--anew", action="store_true", help="forget every place first and lay the whole map out anew")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["anew"]:
            Place.objects.all().delete()
            Island.objects.all().delete()
        moved = mapping.lay_out()
        self.stdout.write(f"{moved:,} placed or moved; {Place.objects.count():,} learnwares on {Island.objects.count():,} islands.")
