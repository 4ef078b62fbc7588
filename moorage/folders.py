"""Where results go."""

from pathlib import Path

from moorage.errors import Refused


def insist_on_new(out: Path) -> None:
    """Refuse a place where something is: only a folder that is not there yet, or is empty, is written to."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Refused(f"{out} exists and is not empty.", code="folder-exists", hint="Name another folder with -o.")
