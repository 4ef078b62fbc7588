"""manage.py demo: the main job from start to end, on a market that runs only as long."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from marketplace.demo import recipes, seeding, showing
from marketplace.demo.starting import make_ready, walls
from marketplace.demo.supervising import Gone, Supervisor
from moorage.errors import MarketError

TASK = "diamonds-estate"


class Command(BaseCommand):
    help = "Describe a real data file, match it, reuse the match, and say what each predictor scores; then stop."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
        parser.add_argument("--site", default="", help="the address of a market that runs already, instead of one of its own")
        parser.add_argument("--tasks", default=TASK, help=f"'all', or names with commas: {', '.join(recipes.tasks())}")

    def handle(self, **options: Any) -> None:
        from marketplace.demo import main_job

        names = list(recipes.tasks()) if options["tasks"] == "all" else options["tasks"].split(",")
        if unknown := [name for name in names if name not in recipes.tasks()]:
            raise CommandError(f"--tasks takes 'all' or some of {', '.join(recipes.tasks())}; got {', '.join(unknown)}.")
        found = []
        try:
            with self._market(options["site"]) as url:
                token = seeding.people()[seeding.REQUESTER]["token"]
                for name in names:
                    with showing.step(name) as say:
                        found.append(main_job.run(name, url, token, settings.HOME / "demo", say))
                    if not options["json"]:
                        showing.report(found[-1], stays=bool(options["site"]))
        except (Gone, MarketError) as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            raise CommandError("Stopped.", returncode=130) from None
        if options["json"]:
            self.stdout.write(json.dumps({"tasks": [report.to_json() for report in found]}, indent=1))

    @contextmanager
    def _market(self, url: str) -> Iterator[str]:
        if url:
            yield url
            return
        showing.console.print(walls(), highlight=False, markup=False)
        make_ready()
        with Supervisor(port=0, say=lambda text: showing.console.print(text, highlight=False, markup=False)) as site:
            yield site.url
