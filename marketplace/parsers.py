"""The API's JSON parser. A module of its own: the framework imports it while it imports its views."""

from typing import Any

from django.conf import settings
from rest_framework import exceptions, parsers

from marketplace.errors import Refused
from specs import SpecError, strict_json


class StrictJson(parsers.BaseParser):
    """JSON by the one strict door: no NaN, no repeated keys, no nesting that exhausts a stack."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: dict | None = None) -> Any:
        most = settings.MAX_SPECIFICATION_BYTES
        try:
            return strict_json.loads(stream.read(most + 1), most=most, what="The body", parts=strict_json.MAX_PARTS)
        except SpecError as error:
            if error.code == "not-json":
                raise exceptions.ParseError(error.message) from None
            raise Refused(error.code, error.message, hint=error.hint or "Send less.", status=413) from None
