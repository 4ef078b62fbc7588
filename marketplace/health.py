"""Is the site alive, and can it work?"""

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache


@never_cache
def live(request: HttpRequest) -> JsonResponse:
    """The process answers; nothing else is asked."""
    return JsonResponse({"status": "ok"})


@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """Database, store and catalog; 503 when one of them fails, and which. Also how strong the workers' sandboxes are."""
    import storage
    from marketplace import sandboxes
    from marketplace.catalog.models import Version

    checks, catalog, sandbox = {}, {}, {}
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        catalog = {
            "learnwares": Version.objects.latest().visible_to(None).count(),
            "checking": Version.objects.filter(status=Version.Status.CHECKING).count(),
        }
        checks["database"] = "ok"
        sandbox = sandboxes.announced()
    except DatabaseError as error:
        checks["database"] = f"fails: {type(error).__name__}"
    try:
        storage.connect(settings.STORAGE_URL)
        checks["storage"] = "ok"
    except (OSError, ValueError) as error:
        checks["storage"] = f"fails: {type(error).__name__}"
    good = all(state == "ok" for state in checks.values())
    return JsonResponse({"status": "ok" if good else "failing", "checks": checks, "catalog": catalog, "sandbox": sandbox}, status=200 if good else 503)
