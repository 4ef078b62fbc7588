"""The page that sets learnwares side by side."""

from urllib.parse import quote

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from marketplace.catalog import comparing
from marketplace.errors import Refused


@require_GET
def compare(request: HttpRequest) -> HttpResponse:
    wanted: list[str] = request.GET.getlist("l")
    try:
        wanted = comparing.read(request.GET)
        compared = comparing.spots(comparing.find(request.user, wanted))
    except Refused as refusal:
        # Nothing chosen yet is no mistake; anything else is.
        status = 200 if not wanted else refusal.status
        return render(request, "catalog/compare.html", {"refusal": refusal, "chosen": _chosen(wanted)}, status=status)
    differs, equal = comparing.facts(compared)
    context = {
        "compared": [{"spot": spot, "without": _address([name for name in wanted if name != spot.version.reference])} for spot in compared],
        "differs": differs,
        "equal": equal,
        "distances": comparing.distances(compared),
        "can_drop": len(compared) > comparing.LEAST,
    }
    return render(request, "catalog/compare.html", context)


def _chosen(wanted: list[str]) -> list[dict[str, str]]:
    """What stands in an address that can not be shown, each with the address without it."""
    names = list(dict.fromkeys(wanted))[:20]
    return [{"reference": name[:120], "without": _address([other for other in names if other != name])} for name in names]


def _address(references: list[str]) -> str:
    return reverse("compare") + "?" + "&".join(f"l={quote(reference, safe='/@')}" for reference in references)
