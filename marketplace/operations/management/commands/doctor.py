"""manage.py doctor"""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from marketplace.operations import doctor


class Command(BaseCommand):
    help = "Look at everything that a market needs, and say what to do about what is wrong. Exit code 1 when something fails, 2 when something is to be watched."
    requires_system_checks: list = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object, for programs")

    def handle(self, **options: Any) -> None:
        found = []
        for finding in doctor.examine():
            found.append(finding)
            if not options["json"]:
                after = f"\n{' ' * 21}→ {finding.do}" if finding.do else ""
                self.stdout.write(f"{finding.state:4}  {finding.what:<14} {finding.found}{after}")
                self.stdout.flush()
        worst = next((state for state in (doctor.FAIL, doctor.WARN) if any(one.state == state for one in found)), doctor.OK)
        if options["json"]:
            self.stdout.write(json.dumps({"state": worst, "findings": [one.as_json() for one in found]}, indent=1))
        sys.exit({doctor.OK: 0, doctor.FAIL: 1, doctor.WARN: 2}[worst])
