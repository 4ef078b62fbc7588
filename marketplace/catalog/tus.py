"""Uploads that resume: tus 1.0 (https://tus.io/protocols/resumable-upload) with creation, termination, checksum and expiration.

The door alone: headers are read here, bytes are kept by `uploading`.
"""

import base64
import binascii
import re
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.http import http_date
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import parsers, status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketplace.accounts.permissions import HasScope
from marketplace.catalog import uploading
from marketplace.catalog.models import Upload
from marketplace.catalog.serializers import KnownAnswer, UploadRow
from marketplace.errors import Refused

VERSION = "1.0.0"
EXTENSIONS = "creation,termination,checksum,expiration"
CHECKSUMS = {"sha256": 32, "sha1": 20}  # bytes of a digest
MEDIA_TYPE = "application/offset+octet-stream"
DRAINED = 32 << 20  # of a body that is refused, so much is read away: the sender reads our answer only when it has sent its own
NUMBER = re.compile(r"\d{1,15}")
SHA256 = re.compile(r"[0-9a-f]{64}")


def _header(name: str, words: str, *, required: bool = True) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, description=words, required=required)


class Unread(parsers.BaseParser):
    """Bytes that the view takes from the request itself."""

    media_type = MEDIA_TYPE

    def parse(self, stream: Any, media_type: str | None = None, parser_context: dict | None = None) -> Any:
        return stream


class Tus(APIView):
    """What both addresses share: the version is spoken first, and every answer says it."""

    parser_classes = [Unread]
    scopes = {"POST": "upload", "PATCH": "upload", "DELETE": "upload", "HEAD": "upload"}

    def get_permissions(self) -> list[Any]:
        return [AllowAny()] if self.request.method == "OPTIONS" else [HasScope()]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method in ("POST", "PATCH", "HEAD", "DELETE") and request.headers.get("Tus-Resumable") != VERSION:
            raise Refused("wrong-tus-version", f"This door speaks tus {VERSION}; the header Tus-Resumable said {request.headers.get('Tus-Resumable', 'nothing')!r}.", status=412,
                          hint=f"Send the header Tus-Resumable: {VERSION}.")

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Tus-Resumable"] = VERSION
        response["Cache-Control"] = "no-store"
        if response.status_code == 412:
            response["Tus-Version"] = VERSION
        return response

    @extend_schema(exclude=True)
    def options(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What this door can do."""
        return Response(status=status.HTTP_204_NO_CONTENT, headers={
            "Tus-Version": VERSION, "Tus-Extension": EXTENSIONS, "Tus-Max-Size": str(settings.MAX_MODEL_BYTES), "Tus-Checksum-Algorithm": ",".join(CHECKSUMS),
        })


class UploadList(Tus):
    @extend_schema(responses=UploadRow(many=True), tags=["uploads"])
    def get(self, request: Request) -> Response:
        """Your files on their way in, newest first."""
        return Response(UploadRow(uploading.held_by(request.user), many=True).data)

    @extend_schema(
        request=None, responses={201: None}, tags=["uploads"],
        parameters=[_header("Tus-Resumable", VERSION), _header("Upload-Length", "Bytes of the whole file."),
                    _header("Upload-Metadata", "`filename` and `sha256`, each with its value in base64, parted by commas.", required=False)],
    )
    def post(self, request: Request) -> Response:
        """Begin an upload (tus 1.0, creation). The address to send to stands in the Location header."""
        size = _number(request, "Upload-Length")
        if size == 0:
            raise Refused("empty-file", "A file must have at least one byte; this one has none.", hint="Send a file that holds something.", fields={"Upload-Length": "0."})
        said = _metadata(request.headers.get("Upload-Metadata", ""))
        sha256 = said.get("sha256", "").lower()
        if sha256 and not SHA256.fullmatch(sha256):
            raise Refused("wrong-metadata", f"sha256 must be 64 hex digits; got {sha256[:80]!r}.", status=400, hint="Leave it out, or send the digest of the whole file.",
                          fields={"Upload-Metadata": "sha256 is no digest."})
        upload = uploading.begin(owner=request.user, size=size, name=said.get("filename", "") or "file", sha256=sha256)
        return Response(status=status.HTTP_201_CREATED, headers=_standing(upload) | {"Location": reverse("api:upload", args=[upload.pk])})


class UploadOne(Tus):
    @extend_schema(responses=UploadRow, tags=["uploads"])
    def get(self, request: Request, upload_id: str) -> Response:
        """How far an upload is."""
        return Response(UploadRow(uploading.find(request.user, upload_id)).data)

    @extend_schema(exclude=True)
    def head(self, request: Request, upload_id: str) -> Response:
        """How far an upload is, in headers."""
        upload = uploading.find(request.user, upload_id)
        return Response(headers=_standing(upload) | {"Upload-Length": str(upload.size), "Upload-Metadata": _as_metadata(upload)})

    @extend_schema(
        request={MEDIA_TYPE: OpenApiTypes.BINARY}, responses={204: None}, tags=["uploads"],
        parameters=[_header("Tus-Resumable", VERSION), _header("Upload-Offset", "Where these bytes begin: what HEAD said."),
                    _header("Upload-Checksum", "`sha256` or `sha1`, a space, and the digest of these bytes in base64.", required=False)],
    )
    def patch(self, request: Request, upload_id: str) -> Response:
        """Send the next bytes. 409 where they do not begin at the upload's offset, 460 where they are not what their checksum says."""
        try:
            return self._take(request, upload_id)
        except Refused:
            _drain(request)
            raise

    def _take(self, request: Request, upload_id: str) -> Response:
        if request.content_type != MEDIA_TYPE:
            raise Refused("wrong-media-type", f"The bytes come as {MEDIA_TYPE}; got {request.content_type!r}.", status=415, hint=f"Send the header Content-Type: {MEDIA_TYPE}.")
        upload = uploading.find(request.user, upload_id)
        offset, checksum = _number(request, "Upload-Offset"), _checksum(request)
        length = request.headers.get("Content-Length", "")
        if offset == upload.offset and NUMBER.fullmatch(length) and offset + int(length) > upload.size:
            raise Refused("too-many-bytes", f"{upload.size - offset:,} bytes are missing; {int(length):,} came.", status=413, hint="Begin a new upload with the right length.")
        upload = uploading.append(upload, offset=offset, stream=request._request, checksum=checksum)
        return Response(status=status.HTTP_204_NO_CONTENT, headers=_standing(upload))

    @extend_schema(parameters=[_header("Tus-Resumable", VERSION)], responses={204: None}, tags=["uploads"])
    def delete(self, request: Request, upload_id: str) -> Response:
        """Cancel an upload; its bytes are removed."""
        uploading.remove(uploading.find(request.user, upload_id))
        return Response(status=status.HTTP_204_NO_CONTENT)


class UploadKnown(APIView):
    scopes = {"GET": "upload", "HEAD": "upload"}

    @extend_schema(
        parameters=[OpenApiParameter("sha256", str, required=True), OpenApiParameter("size", int, required=True)], responses=KnownAnswer, tags=["uploads"],
    )
    def get(self, request: Request) -> Response:
        """Whether these bytes need not be sent: true only for files of versions that you may use. An offer names them as `sha256:…`."""
        sha256, size = request.query_params.get("sha256", "").lower(), request.query_params.get("size", "")
        if not SHA256.fullmatch(sha256) or not NUMBER.fullmatch(size):
            raise Refused("wrong-fields", "sha256 must be 64 hex digits, and size a number of bytes.", status=400, hint="Send both: ?sha256=…&size=…",
                          fields={"sha256" if not SHA256.fullmatch(sha256) else "size": "Missing, or not of that form."})
        return Response(KnownAnswer({"known": uploading.is_known(request.user, sha256, int(size)), "name": uploading.KNOWN + sha256}).data)


def _standing(upload: Upload) -> dict[str, str]:
    return {"Upload-Offset": str(upload.offset), "Upload-Expires": http_date(upload.expires.timestamp())}


def _number(request: Request, name: str) -> int:
    came = request.headers.get(name, "")
    if not NUMBER.fullmatch(came):
        raise Refused("wrong-header", f"{name} must be a whole number of bytes; got {came[:40]!r}.", status=400, hint="Lengths that are not known yet are not taken.", fields={name: "Not a number."})
    return int(came)


def _metadata(came: str) -> dict[str, str]:
    """filename and sha256 of an Upload-Metadata header; what else it may say is left aside."""
    found = {}
    for pair in filter(None, (part.strip() for part in came.split(","))):
        key, _, value = pair.partition(" ")
        try:
            found[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise Refused("wrong-metadata", f"Upload-Metadata holds keys with their values in base64; that of {key[:40]!r} is not.", status=400,
                          hint="Such as: filename bW9kZWwuc2tvcHM=", fields={"Upload-Metadata": "Not base64."}) from None
    return found


def _as_metadata(upload: Upload) -> str:
    said = {"filename": upload.name, "sha256": upload.sha256}
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in said.items() if value)


def _checksum(request: Request) -> tuple[str, bytes] | None:
    came = request.headers.get("Upload-Checksum")
    if came is None:
        return None
    name, _, value = came.partition(" ")
    try:
        digest = base64.b64decode(value, validate=True)
    except binascii.Error:
        digest = b""
    if name not in CHECKSUMS or len(digest) != CHECKSUMS[name]:
        raise Refused("wrong-header", f"Upload-Checksum must be one of {', '.join(CHECKSUMS)}, a space and the digest in base64; got {came[:80]!r}.", status=400,
                      hint="Leave it out, or correct it.", fields={"Upload-Checksum": "Not a checksum."})
    return name, digest


def _drain(request: Request) -> None:
    left = DRAINED
    try:
        while left > 0 and (part := request._request.read(uploading.PART)):
            left -= len(part)
    except OSError:  # nobody is there to answer
        pass
