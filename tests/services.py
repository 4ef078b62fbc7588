"""The suite against real services: PostgreSQL, Redis, RabbitMQ, and S3 by moto.

    python -m tests.services            finds what runs on this machine and tests against it
    MOORAGE_DATABASE_URL=… pytest …     the same by hand, for any part of the suite

Each running market of the tests gets a database, a queue and a prefix of its own (`own`).
"""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

SETTINGS = ("MOORAGE_DATABASE_URL", "MOORAGE_BROKER_URL", "MOORAGE_STORAGE_URL", "MOORAGE_CACHE_URL")
POSTGRES = os.environ.get("MOORAGE_TEST_POSTGRES", "postgres://postgres@127.0.0.1:5432/postgres")
REDIS = os.environ.get("MOORAGE_TEST_REDIS", "redis://127.0.0.1:6379/15")
RABBITMQ = os.environ.get("MOORAGE_TEST_RABBITMQ", "amqp://guest:guest@127.0.0.1:5672//")
MOTO_PORT = 5998
S3 = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1",
      "MOORAGE_STORAGE_URL": f"s3://market/tests?endpoint=http://127.0.0.1:{MOTO_PORT}&region=us-east-1"}


def own() -> tuple[dict[str, str], Callable[[], None]]:
    """(settings for one market on the services whose URLs are set, what removes its traces)."""
    name = f"moorage_{secrets.token_hex(6)}"
    settings = {key: os.environ[key] for key in SETTINGS if os.environ.get(key)} | {key: value for key, value in os.environ.items() if key.startswith("AWS_")}
    if settings.get("MOORAGE_CACHE_URL", "").startswith("locmem"):
        del settings["MOORAGE_CACHE_URL"]  # that of the unit tests; web and worker want one that both see
    if "MOORAGE_BROKER_URL" in settings:
        settings["MOORAGE_QUEUE"] = name
    if "MOORAGE_STORAGE_URL" in settings:
        parts = urlsplit(settings["MOORAGE_STORAGE_URL"])
        settings["MOORAGE_STORAGE_URL"] = urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{name}"))
    server = settings.get("MOORAGE_DATABASE_URL", "")
    if not server.startswith("postgres"):
        return settings, lambda: None
    _sql(server, f'CREATE DATABASE "{name}"')
    settings["MOORAGE_DATABASE_URL"] = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    return settings, lambda: _sql(server, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _sql(server: str, statement: str) -> None:
    import psycopg

    with psycopg.connect(server.replace("postgres://", "postgresql://"), autocommit=True) as connection:
        connection.execute(statement)


def runs(url: str) -> bool:
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=2).close()
    except OSError:
        return False
    return True


@contextmanager
def moto():
    """A server that speaks S3, with a bucket."""
    import boto3

    process = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(MOTO_PORT)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 30
        while not runs(f"http://127.0.0.1:{MOTO_PORT}") and time.monotonic() < until:
            time.sleep(0.2)
        os.environ.update({key: value for key, value in S3.items() if key.startswith("AWS_")})
        boto3.client("s3", endpoint_url=f"http://127.0.0.1:{MOTO_PORT}").create_bucket(Bucket="market")
        yield
    finally:
        process.terminate()
        process.wait()


def main() -> int:
    """Run the parts of the suite that touch services against those that are up; returns the worst exit code."""
    found = {name: runs(url) for name, url in (("PostgreSQL", POSTGRES), ("Redis", REDIS), ("RabbitMQ", RABBITMQ))}
    print("Services: " + ", ".join(f"{name} {'is up' if up else 'is NOT up'}" for name, up in found.items()), flush=True)
    worst = 0
    if found["PostgreSQL"] and found["Redis"]:
        worst |= _suite("PostgreSQL and Redis", {"MOORAGE_DATABASE_URL": POSTGRES, "MOORAGE_BROKER_URL": REDIS, "MOORAGE_CACHE_URL": REDIS},
                        "tests/marketplace", "tests/journeys/test_offer.py", "tests/journeys/test_reuse.py", "tests/journeys/test_kill.py")
    if found["PostgreSQL"] and found["RabbitMQ"]:
        with moto():
            worst |= _suite("PostgreSQL, RabbitMQ and S3", {"MOORAGE_DATABASE_URL": POSTGRES, "MOORAGE_BROKER_URL": RABBITMQ, **S3},
                            "tests/journeys/test_offer.py", "tests/journeys/test_reuse.py", "tests/journeys/test_kill.py")
    return worst


def _suite(title: str, settings: dict[str, str], *parts: str) -> int:
    print(f"\n== {title}", flush=True)
    strict = ["-p", "tests.no_skips"] if os.environ.get("CI") else []
    return subprocess.run([sys.executable, "-m", "pytest", "-q", "-n", "3", "--dist", "loadfile", "--no-loadscope-reorder", *strict, *parts], env=dict(os.environ, **settings)).returncode


if __name__ == "__main__":
    sys.exit(main())
