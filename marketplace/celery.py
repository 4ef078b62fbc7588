"""The Celery application: `celery -A marketplace worker`."""

import os

from celery import Celery
from kombu.transport import TRANSPORT_ALIASES

from marketplace.clock import Clock

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")

TRANSPORT_ALIASES["filesystem"] = "marketplace.broker:Transport"

app = Celery("marketplace")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add(Clock)
