"""The methods on offer: workers announce theirs to a table; the web reads it without loading torch."""

from typing import Any

from marketplace.errors import Refused
from marketplace.jobs.models import ReuseMethod
from reuse import ReuseError


def announce() -> None:
    """Write this process's registry to the table. Called by each worker when it starts."""
    for method in _registered():
        ReuseMethod.objects.update_or_create(
            kind=method.kind,
            name=method.name,
            defaults={
                "title": method.title,
                "doc": method.doc,
                "params": method.params,
                "needs_labels": method.needs_labels,
                "needs_family": method.needs_family,
            },
        )


def every() -> list[ReuseMethod]:
    """Announced methods; before the first worker ever started, those this installation has itself."""
    announced = list(ReuseMethod.objects.all())
    if announced:
        return announced
    names = ("kind", "name", "title", "doc", "params", "needs_labels", "needs_family")
    return [ReuseMethod(**{name: getattr(method, name) for name in names}) for method in _registered()]


def find(address: str) -> ReuseMethod:
    offered = {method.address: method for method in every()}
    if address not in offered:
        raise Refused(
            "unknown-method",
            f"A method must be one that a worker offers; got {address!r}.",
            hint=f"Choose one of: {', '.join(sorted(offered)) or '(no worker has announced any yet)'}.",
            fields={"method": "Unknown method."},
        )
    return offered[address]


def read_params(method: ReuseMethod, params: Any) -> dict[str, Any]:
    """The parameters, each known and of the right type; what was not given is left to the method."""
    if not isinstance(params, dict):
        raise Refused("bad-params", f"params must be an object of names and values; got {type(params).__name__}.")
    for known in _registered():
        if (known.kind, known.name) == (method.kind, method.name):
            try:
                known.read_params(params)
            except ReuseError as error:
                raise Refused(error.code, error.message, hint=error.hint, fields={"params": error.message}) from error
            return params
    unknown = sorted(set(params) - set(method.params))
    if unknown:
        raise Refused("bad-params", f"{method.address} has no parameter {unknown[0]!r}.",
                      hint=f"It has: {', '.join(method.params) or 'none'}.", fields={"params": "Unknown parameter."})
    return params


def _registered() -> list[Any]:
    from reuse import registry  # parses every method's file, which only some processes need

    return list(registry.every())
