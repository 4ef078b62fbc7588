"""ASGI door: `uvicorn marketplace.asgi:application`."""

import os
import threading
import warnings

from django.core.asgi import get_asgi_application

# WhiteNoise's static files are read whole, and are small; downloads stream (marketplace/catalog/files.py).
warnings.filterwarnings("ignore", "StreamingHttpResponse must consume synchronous iterators")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")
application = get_asgi_application()

from marketplace.matching import index  # noqa: E402 - the apps are loaded only now

# Beside the first requests, not before them: the process answers at once.
threading.Thread(target=index.warm, name="warm-indexes", daemon=True).start()
