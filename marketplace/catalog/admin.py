"""Moderation under /admin/: reports, refused checks, learnwares, versions and comments. Only staff get there."""

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from marketplace.catalog import services, talking
from marketplace.catalog.models import Comment, Learnware, Report, Version
from marketplace.errors import Refused

admin.site.site_header = "Moorage: moderation"
admin.site.site_title = "Moorage"
admin.site.index_title = "What waits for a decision"
admin.site.enable_nav_sidebar = False  # its lists are wide


class Reading(admin.ModelAdmin):
    """Rows that are looked at: nothing is added or deleted here, and what the fields hold is not changed."""

    actions_on_bottom = True

    # Whoever is staff moderates; other rights of the admin (people, their passwords) are given one by one.
    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and request.user.is_staff

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Iterable[str]:
        return [field.name for field in (*self.model._meta.fields, *self.model._meta.many_to_many)]

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict | None = None) -> Any:
        nothing_to_save = {"show_save": False, "show_save_and_continue": False, "show_close": True}
        return super().change_view(request, object_id, form_url, nothing_to_save | (extra_context or {}))


def page(row: Any, words: str) -> SafeString:
    """A link to the page of a row."""
    return format_html('<a href="{}">{}</a>', row.get_absolute_url(), words)


@admin.register(Report)
class Reports(Reading):
    list_display = ["created", "about", "reason", "said", "by", "state", "decided_by", "decided"]
    list_display_links = ["created"]
    list_filter = ["state", "reason"]
    search_fields = ["learnware__name", "learnware__owner__username", "words", "reporter__username"]
    list_select_related = ["learnware__owner", "comment__author", "reporter", "decided_by"]
    date_hierarchy = "created"
    actions = ["uphold", "dismiss"]

    def changelist_view(self, request: HttpRequest, extra_context: dict | None = None) -> Any:
        if not request.GET and request.method == "GET":  # the queue: what is open
            return redirect(f"{request.path}?state__exact=open")
        return super().changelist_view(request, extra_context)

    @admin.display(description="about")
    def about(self, report: Report) -> SafeString:
        if report.comment is None:
            return page(report.learnware, str(report.learnware))
        return format_html("{} of {}: “{}”", page(report.learnware, f"A comment on {report.learnware}"), report.comment.author, report.comment.words[:200])

    @admin.display(description="words")
    def said(self, report: Report) -> str:
        return report.words[:300] or "–"

    @admin.display(description="reporter", ordering="reporter")
    def by(self, report: Report) -> str:
        return report.reporter.username if report.reporter else "gone"

    @admin.action(description="Uphold: withdraw the usable versions, or hide the comment", permissions=["change"])
    def uphold(self, request: HttpRequest, chosen: QuerySet[Report]) -> None:
        self._decide(request, chosen, talking.uphold, "upheld")

    @admin.action(description="Dismiss: nothing needs to be done", permissions=["change"])
    def dismiss(self, request: HttpRequest, chosen: QuerySet[Report]) -> None:
        self._decide(request, chosen, talking.dismiss, "dismissed")

    def _decide(self, request: HttpRequest, chosen: QuerySet[Report], decide: Callable[[Report, Any], None], word: str) -> None:
        for report in chosen.select_related("learnware__owner", "comment__author", "comment__learnware__owner", "reporter"):
            try:
                decide(report, request.user)
            except Refused as refusal:
                self.message_user(request, f"{report.learnware}: {refusal}", messages.ERROR)
            else:
                self.log_change(request, report, f"{word}: {report.get_reason_display()}")
                self.message_user(request, f"The report on {report.learnware} is {word}; whom it concerns is told.", messages.SUCCESS)


class StatusFilter(admin.SimpleListFilter):
    """Where checks stand; those that were refused first."""

    title = "check"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("refused", "refused, with the reason"), ("checking", "being checked"), ("usable", "usable"), ("withdrawn", "withdrawn")]

    def queryset(self, request: HttpRequest, versions: QuerySet[Version]) -> QuerySet[Version]:
        return versions.filter(status=self.value()) if self.value() else versions


@admin.register(Version)
class Versions(Reading):
    list_display = ["reference", "status", "reason", "format", "licence", "attempts", "created", "checked", "downloads"]
    list_filter = [StatusFilter, "format", "task", "licence"]
    search_fields = ["learnware__name", "learnware__owner__username", "title", "model__sha256"]
    list_select_related = ["learnware__owner"]
    date_hierarchy = "created"
    actions = ["withdraw"]

    @admin.display(description="reason of refusal")
    def reason(self, version: Version) -> str:
        return f"{version.refusal['code']}: {version.refusal['message']}" if version.refusal else "–"

    def view_on_site(self, version: Version) -> str:
        return version.get_absolute_url()

    @admin.action(description="Withdraw from search", permissions=["change"])
    def withdraw(self, request: HttpRequest, chosen: QuerySet[Version]) -> None:
        for version in chosen.whole():
            try:
                services.withdraw(version, request.user)
            except Refused as refusal:
                self.message_user(request, f"{version}: {refusal}", messages.ERROR)
            else:
                self.log_change(request, version, "withdrawn")
                talking.tell_withdrawn(version)
                self.message_user(request, f"{version} is withdrawn.", messages.SUCCESS)


@admin.register(Learnware)
class Learnwares(Reading):
    list_display = ["__str__", "visibility", "is_gated", "likes_count", "open_reports", "created"]
    list_filter = ["visibility", "is_gated"]
    search_fields = ["name", "owner__username"]
    list_select_related = ["owner"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Learnware]:
        return super().get_queryset(request).annotate(open_n=talking.open_reports())

    @admin.display(description="open reports", ordering="open_n")
    def open_reports(self, learnware: Any) -> Any:
        address = f"{reverse('admin:catalog_report_changelist')}?learnware__id__exact={learnware.pk}"
        return format_html('<a href="{}">{}</a>', address, learnware.open_n) if learnware.open_n else "–"

    def view_on_site(self, learnware: Learnware) -> str:
        return learnware.get_absolute_url()


@admin.register(Comment)
class Comments(Reading):
    list_display = ["created", "author", "learnware", "said", "is_hidden"]
    list_filter = ["is_hidden"]
    search_fields = ["words", "author__username", "learnware__name"]
    list_select_related = ["author", "learnware__owner"]
    date_hierarchy = "created"
    actions = ["hide", "show"]

    @admin.display(description="words")
    def said(self, comment: Comment) -> str:
        return comment.words[:300]

    @admin.action(description="Hide", permissions=["change"])
    def hide(self, request: HttpRequest, chosen: QuerySet[Comment]) -> None:
        self._set(request, chosen, hidden=True)

    @admin.action(description="Show again", permissions=["change"])
    def show(self, request: HttpRequest, chosen: QuerySet[Comment]) -> None:
        self._set(request, chosen, hidden=False)

    def _set(self, request: HttpRequest, chosen: QuerySet[Comment], *, hidden: bool) -> None:
        word = "hidden" if hidden else "shown"
        for comment in chosen.exclude(is_hidden=hidden).select_related("author", "learnware__owner"):
            talking.hide(comment, request.user, hidden=hidden)
            self.log_change(request, comment, word)
        self.message_user(request, f"The comments are {word}.", messages.SUCCESS)
