"""How a learnware is named: owner/name, owner/name@1 or owner/name@1.0.0."""

import re
from urllib.parse import quote

from moorage.errors import Refused

NUMBER = re.compile(r"\d+(\.\d+){0,2}")


def parts(reference: str) -> tuple[str, str, str]:
    """(owner, name, number or "") of a reference; raises Refused for what is none."""
    owner, slash, rest = reference.partition("/")
    name, at, number = rest.partition("@")
    if not (owner and slash and name) or "/" in rest or (at and not NUMBER.fullmatch(number)):
        raise Refused(f"A learnware is named owner/name, owner/name@1 or owner/name@1.0.0; got {reference!r}.", code="wrong-reference", hint="Look it up: moorage search WORDS")
    return owner, name, number


def home(reference: str) -> str:
    """The part of the API that is about a learnware as a whole."""
    owner, name, _ = parts(reference)
    return f"learnwares/{quote(owner, safe='')}/{quote(name, safe='')}"
