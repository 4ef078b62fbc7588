"""The cast: Alice owns things, Bob is allowed, Charlie is not. Each run has a home folder of its own."""

import os
import tempfile
from pathlib import Path

# Settings read the environment when they are imported, so a home of our own comes before anything else.
_home = tempfile.mkdtemp(prefix="moorage-tests-")
os.environ["MOORAGE_HOME"] = _home
os.environ["MOORAGE_CACHE"] = f"{_home}/cache"  # of the client: nobody's own
os.environ.setdefault("MOORAGE_CACHE_URL", "locmem://")
os.environ.setdefault("MOORAGE_RATE_TOKENS", "1000/min")
os.environ.setdefault("MOORAGE_RATE_SEARCHES", "100000/min")
os.environ.setdefault("MOORAGE_MATCH_MB_HOUR", "100000")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import pytest  # noqa: E402


def pytest_configure() -> None:
    """Passwords of the cast are hashed quickly: the real way takes some tenths of a second, and most tests make people."""
    from django.conf import settings

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


LONG = ("test_gallery.py", "test_demo.py", "test_docs.py", "test_client.py", "test_many_kills.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, then the other journeys: whoever runs files side by side then ends with short ones."""

    def place(item: pytest.Item) -> int:
        if "journeys" not in item.path.parts and "gallery" not in item.path.parts:
            return len(LONG) + 1
        return LONG.index(item.path.name) if item.path.name in LONG else len(LONG)

    items.sort(key=place)


def pytest_sessionfinish() -> None:
    import shutil

    shutil.rmtree(_home, ignore_errors=True)


def _person(django_user_model, name: str):
    return django_user_model.objects.create_user(name, password=f"{name}-has-a-boat")


@pytest.fixture
def alice(db, django_user_model):
    return _person(django_user_model, "alice")


@pytest.fixture
def bob(db, django_user_model):
    return _person(django_user_model, "bob")


@pytest.fixture
def charlie(db, django_user_model):
    return _person(django_user_model, "charlie")


@pytest.fixture
def api():
    """api(user, scopes) -> a client of the REST API; without a user an anonymous one."""
    from rest_framework.test import APIClient

    from marketplace.accounts.services import create_token

    def client(user=None, scopes=("read", "upload", "run")) -> APIClient:
        made = APIClient(raise_request_exception=False)
        if user is not None:
            made.credentials(HTTP_AUTHORIZATION=f"Token {create_token(user, 'test', list(scopes))[1]}")
        return made

    return client


@pytest.fixture
def home() -> Path:
    return Path(_home)


@pytest.fixture(autouse=True)
def nothing_counted():
    """What a process counts for itself outlives a test's rows, and the next test's people have the same numbers."""
    yield
    from django.core.cache import caches

    caches["process"].clear()


@pytest.fixture(autouse=True)
def no_doorbells(monkeypatch, request):
    """Unit tests reach no broker; those that want to see a doorbell replace this again."""
    if "journeys" in str(request.fspath):
        return
    from celery import Task

    monkeypatch.setattr(Task, "apply_async", lambda *args, **kwargs: None)
