"""manage.py up: the whole market on this machine, until Ctrl-C."""

import signal
import threading
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from marketplace.demo import seeding, showing
from marketplace.demo.starting import make_ready, manage, walls
from marketplace.demo.supervising import Gone, Supervisor


class Command(BaseCommand):
    help = "Migrate, seed when empty, start web and worker, show the main job; Ctrl-C stops everything."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--port", type=int, default=8000, help="the first port to try (8000)")
        parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)")
        parser.add_argument("--no-seed", action="store_true", help="start empty")
        parser.add_argument("--no-demo", action="store_true", help="do not show the main job")
        parser.add_argument("--verbose", action="store_true", help="show all that web and worker log")

    def handle(self, **options: Any) -> None:
        over = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self._leave(over))
        began = time.monotonic()
        try:
            _say(walls(options["host"]))
            make_ready(seed=not options["no_seed"])
            ready = time.monotonic()
            with Supervisor(port=options["port"], host=options["host"], say=_say, verbose=options["verbose"]) as site:
                _say(f"Web and worker are up at {site.url} after {time.monotonic() - began:.1f} s ({time.monotonic() - ready:.1f} s of that to start).")
                self._show(site, not options["no_demo"] and not options["no_seed"])
                _say(f"Logs: {settings.HOME / 'logs'}   Stop: Ctrl-C")
                site.watch(over)
        except (KeyboardInterrupt, SystemExit):
            pass
        except Gone as error:
            raise CommandError(str(error)) from None
        _say("Stopped.")

    def _leave(self, over: threading.Event) -> None:
        if over.is_set():
            return  # a second Ctrl-C while stopping changes nothing: children have a deadline
        over.set()
        _say("\nStopping …")
        raise KeyboardInterrupt

    def _show(self, site: Supervisor, demo: bool) -> None:
        if not seeding.credentials_file().exists():
            showing.out.print(f"\n[bold]Moorage is at {site.url}[/bold]  (empty: sign up, or seed it with: python3 run.py seed_demo)")
            return
        if demo and manage("demo", "--site", site.url) != 0:
            _say("The main job could not be shown; the market runs all the same.")
        showing.welcome(site.url, seeding.REQUESTER, seeding.people()[seeding.REQUESTER])


def _say(text: str) -> None:
    showing.console.print(text, highlight=False, markup=False, soft_wrap=True)
