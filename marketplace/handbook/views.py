"""Pages of the documentation."""

from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_GET

from marketplace.handbook import reading


@require_GET
def handbook(request: HttpRequest, name: str = "index") -> HttpResponse:
    """A page of docs/, with the contents beside it; `?q=` looks for words in all of them."""
    page = reading.page(name)
    if page is None:
        raise Http404(f"There is no page {name!r} in the documentation.")
    asked = request.GET.get("q", "").strip()[:80]
    order = reading.names()
    at = order.index(name)
    context = {
        "page": page,
        "html": mark_safe(page.html),  # our own files, parsed with HTML switched off
        "asked": asked,
        "found": reading.search(asked) if asked else [],
        "parts": [{"title": part["title"], "pages": [reading.page(one) for one in part["pages"]]} for part in reading.contents()],
        "earlier": reading.page(order[at - 1]) if at else None,
        "later": reading.page(order[at + 1]) if at + 1 < len(order) else None,
    }
    return render(request, "docs/page.html", context)


@require_GET
def image(request: HttpRequest, name: str) -> FileResponse:
    """A picture that a page shows."""
    found = reading.image(name)
    if found is None:
        raise Http404(f"There is no picture {name!r} in the documentation.")
    path, kind = found
    return FileResponse(path.open("rb"), content_type=kind, headers={"Cache-Control": "public, max-age=3600", "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"})
