"""Addresses of what is offered: pages and API."""

from django.urls import path

from marketplace.catalog import access_api, api
from marketplace.catalog.views import access, exploring, learnwares, offering, people

api_urls = [
    path("spaces", api.SpaceList.as_view(), name="spaces"),
    path("spaces/find", api.SpaceFind.as_view(), name="spaces-find"),
    path("spaces/<str:space_id>", api.SpaceOne.as_view(), name="space"),
    path("learnwares", api.LearnwareList.as_view(), name="learnwares"),
    path("learnwares/<str:owner>/<str:name>", api.LearnwareDetail.as_view(), name="learnware"),
    path("learnwares/<str:owner>/<str:name>/access", access_api.Access.as_view(), name="access"),
    path("learnwares/<str:owner>/<str:name>/ask", access_api.AccessAsk.as_view(), name="access-ask"),
    path("learnwares/<str:owner>/<str:name>/requests/<int:request_id>", access_api.AccessRequestOne.as_view(), name="access-request"),
    path("learnwares/<str:owner>/<str:name>/<str:number>", api.VersionOne.as_view(), name="version"),
    path("learnwares/<str:owner>/<str:name>/<str:number>/files/<str:file>", api.VersionFile.as_view(), name="version-file"),
    path("learnwares/<str:owner>/<str:name>/<str:number>/withdraw", api.VersionWithdraw.as_view(), name="version-withdraw"),
]

page_urls = [
    path("", exploring.home, name="home"),
    path("explore/", exploring.explore, name="explore"),
    path("learnwares/<str:owner>/<str:name>/", learnwares.learnware, name="learnware"),
    path("people/<str:username>/", people.profile, name="profile"),
    path("learnwares/<str:owner>/<str:name>/access/", access.access, name="access"),
    path("learnwares/<str:owner>/<str:name>/access/change/", access.change, name="access-change"),
    path("learnwares/<str:owner>/<str:name>/access/share/", access.share, name="access-share"),
    path("learnwares/<str:owner>/<str:name>/access/share/<str:username>/end/", access.unshare, name="access-unshare"),
    path("learnwares/<str:owner>/<str:name>/access/requests/<int:pk>/", access.decide, name="access-decide"),
    path("learnwares/<str:owner>/<str:name>/ask/", access.ask, name="access-ask"),
    path("learnwares/<str:owner>/<str:name>/<str:number>/", learnwares.version, name="version"),
    path("learnwares/<str:owner>/<str:name>/<str:number>/status/", learnwares.version_status, name="version-status"),
    path("learnwares/<str:owner>/<str:name>/<str:number>/withdraw/", learnwares.withdraw, name="withdraw"),
    path("upload/", offering.upload, name="upload"),
    path("mine/", offering.mine, name="mine"),
    path("spaces/<str:pk>/", exploring.space, name="space"),
]
