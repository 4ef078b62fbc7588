"""People, organisations and memberships under /admin/: looked at, closed and opened again; passwords are set by Django's own form."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db import models

from marketplace.accounts.models import Membership, User


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
        *UserAdmin.fieldsets[1:],
    ]
    formfield_overrides = {models.URLField: {"assume_scheme": "https"}}
    readonly_fields = ["kind", "last_login", "date_joined"]

    def get_inlines(self, request, obj=None) -> list:
        return [Members] if obj is not None and obj.is_organisation else []
