"""ASGI door: `uvicorn marketplace.asgi:application`."""

import os
import threading

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")
django.setup(set_prefix=False)

from marketplace.serving import Handler  # noqa: E402 - the settings are read only now

application = Handler()

from marketplace.catalog import shelf  # noqa: E402
from marketplace.matching import index  # noqa: E402 - the apps are loaded only now

# Beside the first requests, not before them: the process answers at once.
threading.Thread(target=index.warm, name="warm-indexes", daemon=True).start()
threading.Thread(target=shelf.warm, name="warm-shelf", daemon=True).start()
