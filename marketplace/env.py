"""Settings come from the environment; a wrong value fails at start and names itself."""

import os
import re
import secrets
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from django.conf.locale import LANG_INFO
from django.core.exceptions import ImproperlyConfigured


def text(name: str, default: str) -> str:
    return os.environ.get(name, "").strip() or default


def flag(name: str, default: bool) -> bool:
    came = text(name, "on" if default else "off").lower()
    if came in {"1", "true", "yes", "on"}:
        return True
    if came in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} must be on or off; got {came!r}.")


def number(name: str, default: int, *, least: int = 1) -> int:
    came = text(name, str(default))
    if not came.isdigit() or int(came) < least:
        raise ImproperlyConfigured(f"{name} must be a whole number of at least {least}; got {came!r}.")
    return int(came)


def rate(name: str, default: str) -> str:
    """So many a second, minute, hour or day: 60/min."""
    came = text(name, default)
    if not re.fullmatch(r"[1-9][0-9]{0,8}/(s|sec|m|min|h|hour|d|day)", came):
        raise ImproperlyConfigured(f"{name} must be a number, a slash and s, min, hour or day, such as 60/min; got {came!r}.")
    return came


def names(name: str, default: str) -> list[str]:
    return [part.strip() for part in text(name, default).split(",") if part.strip()]


def url(name: str, default: str, *, schemes: set[str]) -> str:
    came = text(name, default)
    if urlsplit(came).scheme not in schemes:
        raise ImproperlyConfigured(f"{name} must begin with one of {', '.join(sorted(schemes))}; got {came!r}.")
    return came


def choice(name: str, default: str, *, among: tuple[str, ...]) -> str:
    came = text(name, default).lower()
    if came not in among:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(among)}; got {came!r}.")
    return came


def languages(name: str, default: str) -> list[tuple[str, str]]:
    """(code, its own name) of each language that the pages speak; the first is the main one."""
    codes = names(name, default)
    for code in codes:
        if code not in LANG_INFO or "name_local" not in LANG_INFO[code]:
            raise ImproperlyConfigured(f"{name} must name languages as Django does, separated by commas, such as en,de,pt-br; got {code!r}.")
    return [(code, LANG_INFO[code]["name_local"]) for code in dict.fromkeys(codes)]


def home(name: str, default: Path) -> Path:
    """The folder where everything lies that has no URL. One that is not there yet is made for its owner alone; the mode of one that is there was somebody's choice."""
    folder = Path(text(name, str(default))).resolve()
    try:
        # Shut even where sandboxes have uids of their own: their files are copied to a folder beside, and nothing of the home is shown to them (reuse/sandbox/launch.py).
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(f"{name} must be a folder that can be written; {folder} is not ({error.strerror}).") from error
    return folder


def secret_key(home: Path) -> str:
    """The key from the environment, else one made once and kept in the home folder (0600)."""
    if given := text("MOORAGE_SECRET_KEY", ""):
        return given
    path = home / "secret.key"
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"MOORAGE_HOME must be a folder that can be written; {home} is not ({error.strerror})."
        ) from error
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(50))
    return path.read_text().strip()


def broker(came: str, home: Path) -> tuple[str, dict]:
    """Celery's broker URL and its transport options."""
    if not came.startswith("filesystem:"):
        # Longer than the longest job: the row is the job, redelivery is the reaper's work.
        # A broker that does not answer must not hold a request: the row is written, and the reaper rings.
        if came.startswith("redis"):
            return came, {"visibility_timeout": 24 * 3600, "socket_connect_timeout": 2, "socket_timeout": 10, "retry_on_timeout": False}
        return came, {"confirm_publish": True, "connect_timeout": 2} if came.startswith("amqp") else {}
    folder, control = home / "queue", home / "queue-control"
    for path in (folder, control):
        path.mkdir(parents=True, exist_ok=True)
    seconds = float(parse_qs(urlsplit(came).query).get("poll", ["0.1"])[0])
    return "filesystem://", {
        "data_folder_in": str(folder),
        "data_folder_out": str(folder),
        "control_folder": str(control),
        "polling_interval": seconds,
    }


def cache(came: str) -> dict:
    if came.startswith("redis"):
        return {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": came}
    if came.startswith("locmem"):
        return {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    return {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache"}


def mail(came: str) -> dict:
    """Django's mail settings: console:, file:///folder, smtp://user:password@host:587 (STARTTLS), smtps://… (TLS from the start), smtp://…?tls=off."""
    parts = urlsplit(came)
    backend = {"console": "console", "file": "filebased", "smtp": "smtp", "smtps": "smtp"}.get(parts.scheme)
    if backend is None or (backend == "smtp" and not parts.hostname) or (backend == "filebased" and not parts.path):
        # What came may hold a password: only its beginning is repeated.
        raise ImproperlyConfigured(f"MOORAGE_EMAIL_URL must be console:, file:///folder, smtp://user:password@host:587 or smtps://…; got {(parts.scheme or came)[:8]!r}…")
    found = {"EMAIL_BACKEND": f"django.core.mail.backends.{backend}.EmailBackend"}
    if backend == "filebased":
        return found | {"EMAIL_FILE_PATH": parts.path}
    if backend == "console":
        return found
    is_tls, starts = parts.scheme == "smtps", parse_qs(parts.query).get("tls", ["on"])[0] != "off"
    return found | {
        "EMAIL_HOST": parts.hostname, "EMAIL_PORT": parts.port or (465 if is_tls else 587), "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""), "EMAIL_USE_SSL": is_tls, "EMAIL_USE_TLS": starts and not is_tls, "EMAIL_TIMEOUT": 20,
    }
