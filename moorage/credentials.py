"""Which market, and with which token: argument, environment, or the file that `moorage login` writes."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

DEFAULT_URL = "http://127.0.0.1:8000"


@dataclass(frozen=True)
class Credentials:
    """`source` says where the token came from, for `moorage whoami`."""

    url: str
    token: str | None
    source: str


def path() -> Path:
    """Where tokens are kept: MOORAGE_CONFIG_DIR, else XDG_CONFIG_HOME/moorage, else ~/.config/moorage."""
    folder = os.environ.get("MOORAGE_CONFIG_DIR") or Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "moorage"
    return Path(folder) / "credentials.json"


def find(url: str | None = None, token: str | None = None) -> Credentials:
    """The first that is set, of argument, MOORAGE_URL / MOORAGE_TOKEN, and the credentials file."""
    held = _read()
    url = (url or os.environ.get("MOORAGE_URL") or held.get("last") or DEFAULT_URL).rstrip("/")
    if token:
        return Credentials(url, token, "the argument")
    if given := os.environ.get("MOORAGE_TOKEN"):
        return Credentials(url, given, "MOORAGE_TOKEN")
    if kept := held.get("markets", {}).get(url):
        return Credentials(url, kept, str(path()))
    return Credentials(url, None, "nowhere")


def save(url: str, token: str) -> Path:
    """Keep a token for a market, readable by its owner only."""
    held = _read()
    held.setdefault("markets", {})[url.rstrip("/")] = token
    held["last"] = url.rstrip("/")
    file = path()
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = file.with_suffix(".part")
    descriptor = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        json.dump(held, out, indent=1)
    os.replace(draft, file)
    return file


def _read() -> dict:
    try:
        held = json.loads(path().read_text())
    except (OSError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}
