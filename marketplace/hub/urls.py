"""The addresses that the Hugging Face client asks. Joined behind all others, so none of them stands before a page."""

from django.urls import path

from marketplace.hub import api

MODEL = "api/models/<str:owner>/<str:name>"

hub_urls = [
    path("api/whoami-v2", api.WhoAmI.as_view(), name="hub-whoami"),
    path("api/models", api.ModelList.as_view(), name="hub-models"),
    path("api/models/<str:name>", api.Nothing.as_view(), name="hub-no-model"),
    path(MODEL, api.Model.as_view(), name="hub-model"),
    path(f"{MODEL}/refs", api.Refs.as_view(), name="hub-refs"),
    path(f"{MODEL}/auth-check", api.AuthCheck.as_view(), name="hub-auth-check"),
    path(f"{MODEL}/commits/<path:revision>", api.Commits.as_view(), name="hub-commits"),
    path(f"{MODEL}/revision/<path:revision>", api.Model.as_view(), name="hub-revision"),
    path(f"{MODEL}/paths-info/<path:revision>", api.PathsInfo.as_view(), name="hub-paths"),
    path(f"{MODEL}/tree/<str:revision>", api.Tree.as_view(), name="hub-tree"),
    path(f"{MODEL}/tree/<str:revision>/<path:path>", api.Tree.as_view(), name="hub-tree-path"),
    path("<str:owner>/<str:name>/resolve/<str:revision>/<path:path>", api.Resolve.as_view(), name="hub-resolve"),
    path("<str:name>/resolve/<str:revision>/<path:path>", api.Nothing.as_view(), name="hub-no-file"),
]
