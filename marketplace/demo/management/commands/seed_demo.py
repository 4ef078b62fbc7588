"""manage.py seed_demo: train and offer the demo's learnwares."""

import logging
import time

from django.core.management.base import BaseCommand

from marketplace.demo import seeding
from marketplace.demo.showing import bar, console
from marketplace.demo.starting import walls


class Command(BaseCommand):
    help = "Train and offer the demo's learnwares (about a minute; what is there already is left alone)."

    def handle(self, **options) -> None:
        logging.getLogger("marketplace").setLevel(logging.ERROR)  # the bar says how far it is
        walls()
        began = time.monotonic()
        with bar("Training and offering models") as progress:
            count = seeding.seed(progress)
        said = f"{count} learnwares offered in {time.monotonic() - began:.0f} s." if count else "Nothing was missing."
        console.print(said, highlight=False)  # stderr: `demo --json` seeds too
