"""Pages that belong to no app."""

from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_update
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET


@require_GET
@csp_update({"style-src": [UNSAFE_INLINE], "img-src": [SELF, "data:"]})  # Swagger UI sets style attributes
def api_docs(request: HttpRequest) -> HttpResponse:
    return render(request, "pages/api_docs.html")
