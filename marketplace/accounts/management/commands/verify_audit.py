"""manage.py verify_audit: hold every event of the audit log against the chain."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from marketplace.accounts import audit


class Command(BaseCommand):
    help = "Verify the chain of the audit log, and print its end: kept elsewhere, it shows a log that was written anew."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--end", default="", metavar="NUMBER:DIGEST", help="An end that was printed earlier: it has to be part of the chain still.")

    def handle(self, *args: Any, end: str = "", **options: Any) -> None:
        faults = list(audit.faults())
        if end:
            faults += audit.disagreements(end)
        for fault in faults:
            self.stderr.write(fault)
        if faults:
            raise CommandError(f"The audit log is not what it was: {len(faults)} {'faults' if len(faults) > 1 else 'fault'}.")
        count, digest = audit.end()
        self.stdout.write(f"{count} events, none changed, none missing. End: {count}:{digest}")
