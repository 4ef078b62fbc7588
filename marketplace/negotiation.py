"""Which type an endpoint answers in."""

from typing import Any

from rest_framework import exceptions, negotiation


class AnyAccept(negotiation.DefaultContentNegotiation):
    """An endpoint answers in the one type that it has, whatever `Accept` asks for: a zip or a card is no reason for a 406."""

    def select_renderer(self, request: Any, renderers: list[Any], format_suffix: str | None = None) -> tuple[Any, str]:
        try:
            return super().select_renderer(request, renderers, format_suffix)
        except exceptions.NotAcceptable:
            return renderers[0], renderers[0].media_type
