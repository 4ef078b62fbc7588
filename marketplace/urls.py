"""Every address of the site: each app's pages and its part of the API."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView

from marketplace import health, languages, pages
from marketplace.accounts import urls as accounts
from marketplace.accounts.views import signing
from marketplace.catalog import urls as catalog
from marketplace.handbook import urls as handbook
from marketplace.hub import urls as hub
from marketplace.jobs import urls as jobs
from marketplace.matching import urls as matching
from marketplace.operations import metrics

api_urls = [*accounts.api_urls, *catalog.api_urls, *matching.api_urls, *jobs.api_urls]
page_urls = [*accounts.page_urls, *catalog.page_urls, *matching.page_urls, *jobs.page_urls, *handbook.page_urls]

urlpatterns = [
    *page_urls,
    path("api/v1/", include((api_urls, "api"))),
    path("api/docs/", pages.api_docs, name="api-docs"),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("jsi18n/<str:language>.js", languages.script_words, name="script-words"),
    path("language/", languages.choose, name="set-language"),
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
    path("admin/login/", signing.admin_sign_in),
    path("admin/logout/", signing.sign_out),
    path("admin/password_change/", RedirectView.as_view(pattern_name="password")),
    path("metrics", metrics.page, name="metrics"),
    path("admin/", admin.site.urls),
    *hub.hub_urls,  # last: owner/name/resolve/... must not stand before a page
]

handler400 = "marketplace.errors.bad_request"
handler403 = "marketplace.errors.permission_denied"
handler404 = "marketplace.errors.page_not_found"
handler500 = "marketplace.errors.server_error"
