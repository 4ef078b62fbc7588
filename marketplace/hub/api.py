"""The read endpoints of the Hugging Face client, at its addresses and in its shapes. Errors are ours, with its codes in their headers."""

from typing import Any

from django.http import HttpResponse, QueryDict
from django.utils.http import parse_etags, quote_etag
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketplace.accounts.authentication import ScopedToken, Session
from marketplace.accounts.models import Membership, User
from marketplace.accounts.permissions import HasScope, LooksOpenly
from marketplace.catalog import files
from marketplace.errors import Refused
from marketplace.hub import services
from marketplace.hub.authentication import BearerToken
from marketplace.hub.repository import File, Repository, when
from marketplace.parsers import StrictJson

PAGE = 100
YES = ("1", "true")


class Door(APIView):
    """What the doors share: tokens as Bearer, anybody may read what is public, and the client's own error codes."""

    authentication_classes = [BearerToken, ScopedToken, Session]
    permission_classes = [LooksOpenly]
    schema = None  # documented by those whose addresses these are

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if "\0" in "".join([*map(str, kwargs.values()), *(value for values in request.query_params.lists() for value in values[1])]):
            raise Refused("bad-text", "Names and filters hold no zero characters.", hint="Take it out.", status=400)

    def handle_exception(self, exc: Exception) -> Response:
        response = super().handle_exception(exc)
        if isinstance(exc, services.NoSuch):
            response["X-Error-Code"] = exc.their_code
        if isinstance(exc, AuthenticationFailed):
            # Without these words their client takes a wrong token for a repository that is not there.
            response["X-Error-Message"] = "Invalid credentials in Authorization header"
        elif response.status_code >= 400:
            response["X-Error-Message"] = " ".join(str(response.data["message"]).encode("ascii", "replace").decode().split())[:300]
        return response


class WhoAmI(Door):
    permission_classes = [HasScope]

    def get(self, request: Request) -> Response:
        """Who one is, by which token, and in which organisations."""
        user, token = request.user, request.auth
        orgs = [{"type": "org", "id": str(row.organisation_id), "name": row.organisation.username, "fullname": row.organisation.title or row.organisation.username,
                 "roleInOrg": {Membership.Role.READER: "read", Membership.Role.WRITER: "write", Membership.Role.ADMIN: "admin"}[row.role], "isEnterprise": False}
                for row in Membership.objects.filter(user=user, organisation__kind=User.Kind.ORGANISATION).select_related("organisation")]
        said = {"type": "user", "id": str(user.pk), "name": user.username, "fullname": user.title or user.username, "isPro": False, "canPay": False, "orgs": orgs}
        if token is not None:
            role = "write" if token.allows("upload") else "read"
            said["auth"] = {"type": "access_token", "accessToken": {"displayName": token.name, "role": role, "createdAt": when(token.created)}}
        return Response(said)


class ModelList(Door):
    def get(self, request: Request) -> Response:
        """What is offered, as `list_models` asks; further pages by the Link header."""
        asked = request.query_params
        size = _whole(asked, "limit", PAGE, most=PAGE)
        skip = _whole(asked, "skip", 0, most=10**7)
        gated = {"true": True, "false": False}.get(asked.get("gated", "").lower())
        tags = [tag for tag in (*asked.getlist("filter"), asked.get("pipeline_tag", "")) for tag in tag.split(",") if tag]
        found = services.listed(request.user, search=asked.get("search", "")[:200], author=asked.get("author", "")[:150], sort=asked.get("sort", ""),
                                ascending=asked.get("direction") == "1", tags=tuple(tags), gated=gated)
        whole = asked.get("full", "").lower() in YES or any(word in asked.getlist("expand") for word in ("siblings", "cardData", "config"))
        whole = whole or asked.get("cardData", "").lower() in YES or asked.get("config", "").lower() in YES
        rows = list((found.select_related("model", "specification", "statistics") if whole else found)[skip:skip + size + 1])
        response = Response([Repository(version, request.user).say(whole=whole, downloads=version.fetched) for version in rows[:size]])
        if len(rows) > size:
            response["Link"] = f'<{_next(request, skip + size)}>; rel="next"'
        return response


class Model(Door):
    def get(self, request: Request, owner: str, name: str, revision: str = services.MAIN) -> Response:
        """One learnware at a revision: its commit, files and card."""
        found = services.repository(request.user, owner, name, revision)
        return Response(found.say(sizes=request.query_params.get("blobs", "").lower() in YES))


class Tree(Door):
    def get(self, request: Request, owner: str, name: str, revision: str, path: str = "") -> Response:
        """The files at a revision; all lie side by side, so there is no folder but the first."""
        found = services.repository(request.user, owner, name, revision)
        if path.strip("/"):
            raise services.NoSuch("EntryNotFound", "no-folder", f"{found.id} has no folder {path[:120]!r}.", hint="Its files lie side by side: list the repository itself.")
        return Response([file.of_tree() for file in found.files.values()])


class PathsInfo(Door):
    parser_classes = [FormParser, MultiPartParser, StrictJson]

    def post(self, request: Request, owner: str, name: str, revision: str) -> Response:
        """Size and digest of those of the named files that are there."""
        found = services.repository(request.user, owner, name, revision)
        asked = request.data.getlist("paths") if isinstance(request.data, QueryDict) else request.data.get("paths", []) if isinstance(request.data, dict) else []
        wanted = asked if isinstance(asked, list) else [asked]
        return Response([found.files[path].of_tree() for path in wanted[:1_000] if isinstance(path, str) and path in found.files])


class Refs(Door):
    def get(self, request: Request, owner: str, name: str) -> Response:
        """`main`, and a tag for each version."""
        versions = [Repository(version, request.user) for version in services.seen(request.user, owner, name)]
        latest = next((found for found in versions if found.version.is_latest), versions[0])
        tags = [{"name": found.tag, "ref": f"refs/tags/{found.tag}", "targetCommit": found.commit} for found in versions]
        return Response({"branches": [{"name": services.MAIN, "ref": f"refs/heads/{services.MAIN}", "targetCommit": latest.commit}], "tags": tags, "converts": []})


class Commits(Door):
    def get(self, request: Request, owner: str, name: str, revision: str) -> Response:
        """The version of a revision and those before it, newest first."""
        at = services.repository(request.user, owner, name, revision).version
        versions = [Repository(version, request.user) for version in services.seen(request.user, owner, name) if version.created <= at.created]
        authors = [{"user": at.learnware.owner.username}]
        return Response([{"id": found.commit, "title": f"Version {found.version.number}", "message": "", "date": when(found.version.created), "authors": authors}
                         for found in versions])


class AuthCheck(Door):
    def get(self, request: Request, owner: str, name: str) -> Response:
        """Whether one may have the files."""
        services.check_access(request.user, services.repository(request.user, owner, name))
        return Response({})


class Resolve(Door):
    def get(self, request: Request, owner: str, name: str, revision: str, path: str) -> HttpResponse:
        """A file at a revision. Ranges are served; the ETag is its SHA-256."""
        found = services.repository(request.user, owner, name, revision)
        try:
            file = services.file(request.user, found, path)
        except services.NoSuch as error:
            response = self.handle_exception(error)
            response["X-Repo-Commit"] = found.commit  # by this their client remembers that a commit lacks a file
            return response
        response = _answer(request, file)
        response["X-Repo-Commit"] = found.commit
        response["X-Linked-Etag"] = quote_etag(file.sha256)
        response["X-Linked-Size"] = str(file.size)
        response["Cache-Control"] = "private, no-cache"  # `main` moves on
        if path == found.version.manifest["model"]["file"] and request.method == "GET" and response.status_code == 200:
            services.count_download(found)
        return response


class Nothing(Door):
    def get(self, request: Request, **_: Any) -> Response:
        """Their names without an owner, which the market has none of."""
        raise services.NoSuch("RepoNotFound", "no-learnware", "A learnware is named owner/name.", hint="Look it up: HfApi().list_models(search=...)")


def _answer(request: Request, file: File) -> HttpResponse:
    if file.artifact is not None:
        return files.answer(request, file.artifact, name=file.path, content_type=file.content_type)
    etag = quote_etag(file.sha256)
    if etag in parse_etags(request.headers.get("If-None-Match", "")):
        response = HttpResponse(status=304)
    else:
        response = HttpResponse(b"" if request.method == "HEAD" else file.body, content_type=file.content_type)
        response["Content-Length"] = str(file.size)
    response["ETag"] = etag
    response["Accept-Ranges"] = "none"  # some kB, made on the spot
    response["Content-Disposition"] = f'attachment; filename="{file.path}"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox"
    return response


def _whole(asked: QueryDict, name: str, default: int, *, most: int) -> int:
    text = asked.get(name, "") or str(default)
    if not text.isascii() or not text.isdigit():
        raise Refused("wrong-number", f"{name} must be a whole number; got {text[:40]!r}.", hint="Leave it out for the default.", status=400, fields={name: "No whole number."})
    return min(int(text[:12]), most)


def _next(request: Request, skip: int) -> str:
    query = request.query_params.copy()
    query["skip"] = str(skip)
    return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")
