"""Who may sign in."""

from typing import Any

from django.contrib.auth.backends import ModelBackend


class People(ModelBackend):
    """Passwords open the accounts of people; nobody signs in as an organisation, even if somebody gave it a password."""

    def user_can_authenticate(self, user: Any) -> bool:
        return super().user_can_authenticate(user) and not getattr(user, "is_organisation", False)
