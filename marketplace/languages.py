"""Which language a page speaks, and the words of its scripts in it. Sites in English alone load none of this."""

from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.middleware.locale import LocaleMiddleware
from django.utils import translation
from django.views.decorators.cache import cache_control
from django.views.decorators.http import conditional_page, require_GET
from django.views.i18n import JavaScriptCatalog, set_language

PROGRAMS = ("/api/v1/", "/api/schema/", "/health/")


class PageLanguage(LocaleMiddleware):
    """Pages in the language that a visitor chose or whose browser asks for; programs get English, whatever theirs asks for: they compare what they read."""

    def process_request(self, request: HttpRequest) -> None:
        if request.path_info.startswith(PROGRAMS):
            translation.activate("en")
            request.LANGUAGE_CODE = "en"
        else:
            super().process_request(request)

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        # Vary: Accept-Language belongs on what is said differently, and on nothing else: it splits every cache.
        if len(settings.LANGUAGES) < 2 or request.path_info.startswith((*PROGRAMS, "/jsi18n/")):
            return response
        return super().process_response(request, response)


def current() -> str:
    """The language of the page that is made; nothing where the site speaks one alone."""
    now = translation.get_language() or ""
    return now if len(settings.LANGUAGES) > 1 and now in dict(settings.LANGUAGES) else ""


def of(user: Any) -> str:
    """In which language to write to a person: the one that they chose, else the main one of the site."""
    return user.language if user is not None and user.language in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE


def choose(request: HttpRequest) -> HttpResponse:
    """Django's own, which sets a cookie; of whoever is signed in the account remembers it too, for what is written to them."""
    response = set_language(request)
    chosen = request.POST.get("language", "")
    if request.method == "POST" and chosen in dict(settings.LANGUAGES) and request.user.is_authenticated:
        request.user.language = chosen
        request.user.save(update_fields=["language"])
    return response


# Our own words alone: the catalogs of Django's admin are none of the pages'.
_catalog = JavaScriptCatalog.as_view(packages=["marketplace.catalog"])


@require_GET
@cache_control(public=True, max_age=3600)
@conditional_page
def script_words(request: HttpRequest, language: str) -> HttpResponse:
    """gettext and its kin for scripts, with what they may say in one language; the language stands in the address, so that caches keep it."""
    if language not in dict(settings.LANGUAGES):
        raise Http404(f"This site does not speak {language!r}.")
    with translation.override(language):
        return _catalog(request)
