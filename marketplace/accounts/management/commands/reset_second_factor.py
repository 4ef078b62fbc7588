"""manage.py reset_second_factor USERNAME: for a person who has lost their authenticator and their recovery codes."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from marketplace.accounts import audit, factors, mailing
from marketplace.accounts.models import RecoveryCode, SecondFactor, User


class Command(BaseCommand):
    help = "Take away the second factor of a person who has lost it. Make sure of the person first; the audit log says that it was done."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    @transaction.atomic
    def handle(self, *args: Any, username: str, **options: Any) -> None:
        user = User.objects.filter(username=username).first()
        if user is None or not factors.has(user):
            raise CommandError(f"{username!r} has no second factor here.")
        SecondFactor.objects.filter(user=user).delete()
        RecoveryCode.objects.filter(user=user).delete()
        user.sign_outs += 1
        user.save(update_fields=["sign_outs"])
        mailing.tell(user, _("The second factor was taken away by the operators of the market."))
        audit.note("second-factor-off", subject=user, by="command")
        self.stdout.write(f"{username} has no second factor any more, and is signed out everywhere.")
