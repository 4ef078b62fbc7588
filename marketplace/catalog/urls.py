"""Addresses of what is offered: pages and API."""

from django.urls import path

from marketplace.catalog import api
from marketplace.catalog.views import exploring, learnwares, offering

api_urls = [
    path("spaces", api.SpaceList.as_view(), name="spaces"),
    path("spaces/find", api.SpaceFind.as_view(), name="spaces-find"),
    path("spaces/<str:space_id>", api.SpaceOne.as_view(), name="space"),
    path("learnwares", api.LearnwareList.as_view(), name="learnwares"),
    path("learnwares/<str:owner>/<str:name>", api.LearnwareDetail.as_view(), name="learnware"),
    path("learnwares/<str:owner>/<str:name>/<str:number>", api.VersionOne.as_view(), name="version"),
    path("learnwares/<str:owner>/<str:name>/<str:number>/files/<str:file>", api.VersionFile.as_view(), name="version-file"),
    path("learnwares/<str:owner>/<str:name>/<str:number>/withdraw", api.VersionWithdraw.as_view(), name="version-withdraw"),
]

page_urls = [
    path("", exploring.home, name="home"),
    path("explore/", exploring.explore, name="explore"),
    path("learnwares/<str:owner>/<str:name>/", learnwares.learnware, name="learnware"),
    path("learnwares/<str:owner>/<str:name>/<str:number>/", learnwares.version, name="version"),
    path("learnwares/<str:owner>/<str:name>/<str:number>/status/", learnwares.version_status, name="version-status"),
    path("learnwares/<str:owner>/<str:name>/<str:number>/withdraw/", learnwares.withdraw, name="withdraw"),
    path("upload/", offering.upload, name="upload"),
    path("mine/", offering.mine, name="mine"),
    path("spaces/<str:pk>/", exploring.space, name="space"),
]
