"""REST: the map of the catalog."""

import hashlib

from django.http import HttpResponse, HttpResponseNotModified
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from marketplace.accounts.permissions import ReadsOpenly
from marketplace.catalog import exploring, mapping, shelf
from marketplace.catalog.serializers import MapPage


class Map(APIView):
    permission_classes = [ReadsOpenly]

    @extend_schema(operation_id="map", parameters=[OpenApiParameter(name, str) for name in ("q", *shelf.FACETS)], responses=MapPage, tags=["learnwares"])
    def get(self, request: Request) -> HttpResponse:
        """Where what is offered lies: islands, and columns of places. Ask again with If-None-Match: a map that has not changed is not sent twice."""
        body = mapping.document(exploring.found(request.query_params, request.user))
        etag = f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
        headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}
        if etag in request.headers.get("If-None-Match", ""):
            return HttpResponseNotModified(headers=headers)
        return HttpResponse(body, content_type="application/json", headers=headers)
