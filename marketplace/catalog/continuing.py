"""What the upload form begins with: a draft's words, or those of the version that a new one follows."""

import json
from typing import Any

from django.utils.translation import gettext, gettext_lazy

from marketplace.accounts.models import User
from marketplace.catalog.models import Draft, Version

STEPS = ("patch", "minor", "major")
SAYS = {"patch": gettext_lazy("mended, same use"), "minor": gettext_lazy("better, same use"), "major": gettext_lazy("used otherwise")}
NAMES = {"patch": gettext_lazy("patch"), "minor": gettext_lazy("minor"), "major": gettext_lazy("major")}


def initial(before: Version | None, draft: Draft | None, author: User) -> dict[str, Any]:
    """The fields of the form; a draft's own words win over those of the version before."""
    found = of_version(before) if before else {"owner": author.username}
    words = draft.document.get("fields") if draft else None
    if isinstance(words, dict):
        found |= {name: value for name, value in words.items() if isinstance(name, str) and isinstance(value, str)}
    return found


def of_version(before: Version) -> dict[str, Any]:
    manifest = before.manifest
    output, architecture = manifest.get("output", {}), manifest.get("model", {}).get("architecture")
    return {
        "owner": before.learnware.owner.username, "visibility": before.learnware.visibility, "name": before.learnware.name, "version": dict(next_numbers(before))["minor"][0],
        "title": before.title, "task": before.task, "target": before.target, "classes": ", ".join(map(str, output.get("classes", []))), "unit": output.get("unit") or "",
        "takes": manifest.get("input", {}).get("takes", "columns"), "architecture": json.dumps(architecture) if architecture else "", "licence": before.licence,
        "card": before.learnware.card or manifest.get("card", ""),
    }


def next_numbers(before: Version) -> list[tuple[str, tuple[str, str, str]]]:
    """(patch, minor or major, (the number it gives, what it is for, the step as a person reads it)), counted from the highest number that there is."""
    numbers = before.learnware.versions.values_list("number", flat=True)
    major, minor, patch = max(tuple(int(part) for part in number.split(".")) for number in numbers)
    given = {"patch": f"{major}.{minor}.{patch + 1}", "minor": f"{major}.{minor + 1}.0", "major": f"{major + 1}.0.0"}
    return [(step, (given[step], SAYS[step], NAMES[step])) for step in STEPS]


def line(draft: Draft) -> dict[str, Any]:
    """A draft as lists show it: its name, and each file with the share that has arrived."""
    fields = draft.document.get("fields")
    fields = fields if isinstance(fields, dict) else {}
    return {
        "draft": draft, "name": str(fields.get("title") or fields.get("name") or gettext("Without a name")),
        "files": [(upload.name, upload.offset / upload.size) for upload in draft.uploads.all()],
    }
