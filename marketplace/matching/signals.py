"""What the catalog's change log sets off: open requests of the space are held against the version that came."""

from typing import Any

from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import receiver

from marketplace.catalog.models import Change
from marketplace.matching import tasks
from marketplace.matching.models import Wanted


@receiver(post_save, sender=Change)
def ring(sender: type, instance: Change, created: bool, **_: Any) -> None:
    """Ring once the change is committed, where anybody waits at all."""
    if created and instance.version_id is not None and Wanted.objects.open().filter(space_id=instance.space_id).exists():
        transaction.on_commit(lambda: tasks.ring(instance.version_id))
