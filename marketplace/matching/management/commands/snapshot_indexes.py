"""manage.py snapshot_indexes"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Count, Q

from marketplace.catalog.models import Space
from marketplace.matching import index


class Command(BaseCommand):
    help = "Write this machine's snapshots of the indexes of large spaces, so that a process that starts need not read every specification."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--least", type=int, default=index.WORTH_A_SNAPSHOT, help="spaces with at least so many learnwares (1,000)")
        parser.add_argument("--space", default="", help="this space alone, by id")

    def handle(self, *, least: int, space: str, **options: Any) -> None:
        spaces = Space.objects.annotate(n=Count("versions", filter=Q(versions__is_latest=True))).order_by("-n", "pk")
        chosen = spaces.filter(pk=space) if space else spaces.filter(n__gte=least)
        if space and not chosen:
            raise CommandError(f"There is no space {space!r}.")
        for row in chosen:
            made = index.snapshot(row.pk)
            self.stdout.write(f"{row.name}: {made.size:,} specifications, generation {made.generation}" if made else f"{row.name}: nothing to write")
        if not chosen:
            self.stdout.write(f"No space has {least:,} learnwares; smaller ones are read in a moment.")
