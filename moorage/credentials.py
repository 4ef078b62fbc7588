"""Which market, and with which token: argument, environment, or the file that `moorage login` writes."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from moorage.errors import NotSignedIn, Refused

DEFAULT_URL = "http://127.0.0.1:8000"


@dataclass(frozen=True)
class Credentials:
    """`source` says where the token came from, `beside` which others were set and lost: for `moorage whoami`."""

    url: str
    token: str | None
    source: str
    beside: tuple[str, ...] = ()


def is_offline() -> bool:
    """Whether MOORAGE_OFFLINE asks for no requests at all."""
    return os.environ.get("MOORAGE_OFFLINE", "").strip().lower() in ("1", "true", "yes", "on")


def path() -> Path:
    """Where tokens are kept: MOORAGE_CONFIG_DIR, else XDG_CONFIG_HOME/moorage, else ~/.config/moorage."""
    folder = os.environ.get("MOORAGE_CONFIG_DIR") or Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "moorage"
    return Path(folder) / "credentials.json"


def find(url: str | None = None, token: str | None = None) -> Credentials:
    """The first that is set, of argument, MOORAGE_URL / MOORAGE_TOKEN, and the credentials file."""
    held = _read()
    url = _address(url or os.environ.get("MOORAGE_URL") or held.get("last") or DEFAULT_URL)
    kept = held.get("markets", {}).get(url) if isinstance(held.get("markets"), dict) else None
    there = [(secret.strip(), source) for secret, source in ((token, "the argument"), (os.environ.get("MOORAGE_TOKEN"), "MOORAGE_TOKEN"), (kept, str(path()))) if secret]
    if not there:
        return Credentials(url, None, "nowhere")
    (secret, source), beside = there[0], tuple(source for _, source in there[1:])
    if not re.fullmatch(r"[!-~]+", secret):
        raise NotSignedIn(f"The token from {source} is no token: it holds blanks or other letters.", code="bad-token", hint="Copy it again from the tokens page, or run: moorage login")
    return Credentials(url, secret, source, beside)


def save(url: str, token: str) -> Path:
    """Keep a token for a market, readable by its owner only."""
    held = _read()
    if not isinstance(held.get("markets"), dict):
        held["markets"] = {}
    held["markets"][_address(url)] = token
    held["last"] = _address(url)
    return _write(held)


def forget(url: str) -> bool:
    """Forget the token that is kept for a market; says whether there was one."""
    held = _read()
    markets = held.get("markets")
    if not isinstance(markets, dict) or markets.pop(_address(url), None) is None:
        return False
    _write(held)
    return True


def _address(url: str) -> str:
    """The address of a market in one spelling."""
    whole = (url if "://" in url else f"http://{url}").strip().rstrip("/")
    parts = urlsplit(whole)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Refused(f"A market's address is http(s)://host; got {url!r}.", code="wrong-address", hint="Name it with --url or MOORAGE_URL, such as https://market.example")
    return whole


def _write(held: dict) -> Path:
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
