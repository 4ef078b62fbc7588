"""People, organisations and memberships under /admin/: looked at, closed and opened again; passwords are set by Django's own form."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db import models
from django.db.models import OuterRef, Subquery

from marketplace.accounts.audit import WORDS
from marketplace.accounts.models import AuditEvent, Membership, User


class Members(admin.TabularInline):
    model = Membership
    fk_name = "organisation"
    extra = 0
    autocomplete_fields = ["user"]


@admin.register(User)
class Users(UserAdmin):
    list_display = ["username", "kind", "email", "is_active", "is_staff", "date_joined", "last_login"]
    list_filter = ["kind", "is_active", "is_staff"]
    fieldsets = [
        *UserAdmin.fieldsets[:1],
        ("Shown to everybody", {"fields": ["kind", "title", "about", "link"]}),
        ("Its state", {"fields": ["email_confirmed", "gone"]}),
        ("Its room", {"fields": ["quota_gb"], "description": "GB that it may keep in this market; left out, as many as MOORAGE_QUOTA_GB says."}),
        *UserAdmin.fieldsets[1:],
    ]
    formfield_overrides = {models.URLField: {"assume_scheme": "https"}}
    readonly_fields = ["kind", "last_login", "date_joined", "email_confirmed", "gone"]

    def log_deletions(self, request, queryset) -> list:
        # One by one: Django writes several at once without a signal, and the audit log would not hear of them.
        return [super(Users, self).log_deletions(request, [user]) for user in queryset]

    def get_inlines(self, request, obj=None) -> list:
        return [Members] if obj is not None and obj.is_organisation else []


@admin.register(AuditEvent)
class Events(admin.ModelAdmin):
    """The audit log, to be read by all staff and changed by nobody."""

    list_display = ["id", "at", "who", "action", "what", "object", "origin", "request_id"]
    list_filter = ["action"]
    search_fields = ["object", "request_id", "origin"]
    search_help_text = "A part of an object or request id, the hash of an address, or a user name."
    date_hierarchy = "at"
    ordering = ["-id"]
    show_full_result_count = False
    list_per_page = 100
    actions = None

    def has_module_permission(self, request) -> bool:
        return request.user.is_active and request.user.is_staff

    def has_view_permission(self, request, obj=None) -> bool:
        return self.has_module_permission(request)

    def has_add_permission(self, request) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False

    def has_delete_permission(self, request, obj=None) -> bool:
        return False

    def get_search_results(self, request, queryset, search_term):
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        who = User.objects.filter(username=search_term.strip()).values_list("pk", flat=True).first() if search_term else None
        return (found | queryset.filter(actor=who) | queryset.filter(subject=who) if who else found), may_repeat

    def get_queryset(self, request):
        names = User.objects.filter(pk=OuterRef("actor")).values("username")[:1]
        subjects = User.objects.filter(pk=OuterRef("subject")).values("username")[:1]
        return super().get_queryset(request).annotate(actor_name=Subquery(names), subject_name=Subquery(subjects))

    @admin.display(description="who")
    def who(self, event: AuditEvent) -> str:
        return (event.actor_name or "–") + (f" → {event.subject_name}" if event.subject_name else "")

    @admin.display(description="what")
    def what(self, event: AuditEvent) -> str:
        return WORDS.get(event.action, event.action)
