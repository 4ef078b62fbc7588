"""Lines of the log: one event, one line, with the request or job it belongs to and no secret in it."""

import contextlib
import contextvars
import json
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="")
job_id: contextvars.ContextVar[str] = contextvars.ContextVar("job_id", default="")

SECRETS = (
    (re.compile(r"(?i)\b(Token|Bearer)\s+[\w.~+/=-]{8,}"), r"\1 …"),
    (re.compile(r"\bmoor_[A-Za-z0-9_-]{6,}"), "moor_…"),
    (re.compile(r"(?i)(://[^/\s:@]*):[^/\s@]+@"), r"\1:…@"),  # the password of a URL
    (re.compile(r"(?i)([\"']?(?:password|passwd|secret|secret_key|token|csrfmiddlewaretoken|sessionid)[\"']?\s*[:=]\s*)([\"'][^\"']+[\"']|[^\s,;&\"'}]+)"), r"\1…"),
)
USUAL = set(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "request", "taskName"}


@contextlib.contextmanager
def about(job: object) -> Iterator[None]:
    """Lines that are logged inside carry this job's id."""
    token = job_id.set(str(job))
    try:
        yield
    finally:
        job_id.reset(token)


def without_secrets(text: str) -> str:
    """The text, with tokens and passwords replaced by an ellipsis."""
    for pattern, instead in SECRETS:
        text = pattern.sub(instead, text)
    return text


class Line(logging.Formatter):
    """For people: time, level, logger, words. What a stranger sent can begin no line of its own: newlines are escaped, save those of a traceback."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        ids = "".join(f" [{name} {value}]" for name, value in (("request", request_id.get()), ("job", job_id.get())) if value)
        words = f"{self.formatTime(record)} {record.levelname} {record.name}{ids} {_escaped(record.getMessage())}"
        return without_secrets(words + (f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""))


class Json(logging.Formatter):
    """For programs: one JSON object a line. {"time", "level", "logger", "message"}, and where they are known "request_id", "job_id", "error" and what the call put under `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        said = {"time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"), "level": record.levelname, "logger": record.name,
                "message": without_secrets(record.getMessage())}
        said |= {name: value for name, value in (("request_id", request_id.get()), ("job_id", job_id.get())) if value}
        said |= {name: value for name, value in vars(record).items() if name not in USUAL and isinstance(value, str | int | float | bool | None)}
        if record.exc_info:
            said["error"] = without_secrets(self.formatException(record.exc_info))
        return json.dumps(said, ensure_ascii=False, default=str)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r") if "\n" in text or "\r" in text else text
