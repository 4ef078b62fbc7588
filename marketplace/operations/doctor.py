"""What is wrong with this market, seen from this machine: one finding for each thing that an operator can mend."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks as django_checks
from django.db import Error as DatabaseError
from django.db import connection
from django.db.models import Count, Q
from django.utils import timezone

OK, WARN, FAIL = "ok", "warn", "fail"
SKEW_S = 2.0
LITTLE_SHARE, LITTLE_BYTES = 0.1, 5 * 2**30
QUEUE_OLD_S = 300
MANY_SPACES = 20


@dataclass(frozen=True)
class Finding:
    """`what` was looked at, its `state` (ok, warn or fail), what was `found`, and what to `do` about it."""

    what: str
    state: str
    found: str
    do: str = ""

    def as_json(self) -> dict[str, str]:
        return asdict(self)


def examine() -> Iterator[Finding]:
    """Every finding, as soon as it is made. A look that itself breaks is a finding too."""
    looks: list[tuple[str, Callable[[], Iterator[Finding] | Finding]]] = [
        ("database", _database), ("migrations", _migrations), ("broker", _broker), ("workers", _workers), ("queue", _queue), ("storage", _storage), ("disk", _disk),
        ("index", _index), ("sandbox", _sandbox), ("clock", _clock), ("home", _home), ("secrets", _secrets), ("settings", _settings), ("mail", _mail),
    ]
    for what, look in looks:
        try:
            found = look()
            yield from [found] if isinstance(found, Finding) else found
        except DatabaseError as error:
            yield Finding(what, FAIL, f"the database did not answer: {_first_line(error)}", "See the line about the database.")
        except Exception as error:  # the edge: a doctor that dies says nothing about the rest
            yield Finding(what, FAIL, f"could not be looked at: {type(error).__name__}: {_first_line(error)}", "Mend what it names, and look again.")


def _database() -> Finding:
    where = settings.DATABASES["default"]
    said = where["NAME"] if connection.vendor == "sqlite" else f"{where['HOST'] or 'the local socket'}/{where['NAME']}"
    began = time.perf_counter()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            if connection.vendor == "sqlite":
                cursor.execute("PRAGMA quick_check")
                if (answer := cursor.fetchone()[0]) != "ok":
                    return Finding("database", FAIL, f"SQLite finds {said} damaged: {answer[:120]}", "Stop web and workers, and run: manage.py restore FOLDER --over")
    except DatabaseError as error:
        return Finding("database", FAIL, f"{said}: {_first_line(error)}", "Start the database, or correct MOORAGE_DATABASE_URL.")
    return Finding("database", OK, f"{connection.vendor}, {said}, answers in {1000 * (time.perf_counter() - began):.0f} ms")


def _migrations() -> Finding:
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if waiting:
        return Finding("migrations", FAIL, f"{len(waiting)} are not applied, the first {waiting[0][0]}", "Run: manage.py migrate")
    return Finding("migrations", OK, f"{len(executor.loader.applied_migrations)} applied, none waits")


def _broker() -> Finding:
    from marketplace.celery import app

    url = urlsplit(settings.CELERY_BROKER_URL)
    said = "files in the home folder" if url.scheme == "filesystem" else f"{url.scheme}://{url.hostname}:{url.port or ''}"
    try:
        with app.connection_for_write(connect_timeout=3) as link:
            link.ensure_connection(max_retries=1, timeout=3)
    except Exception as error:  # each transport has errors of its own
        return Finding("broker", FAIL, f"{said}: {_first_line(error)}", "Start it, or correct MOORAGE_BROKER_URL. Jobs are kept meanwhile, and begin once it is back.")
    if url.scheme == "filesystem" and connection.vendor != "sqlite":
        return Finding("broker", WARN, f"{said}: only workers of this machine see them", "Set MOORAGE_BROKER_URL to redis://… or amqp://… where there are several machines.")
    return Finding("broker", OK, f"{said} takes connections")


def _workers() -> Finding:
    from marketplace.jobs.models import ReuseMethod

    heard = ReuseMethod.objects.order_by("-seen").values_list("seen", flat=True).first()
    last = f"the last one started {_ago(heard)}" if heard else "none has ever started"
    if settings.CELERY_BROKER_URL.startswith("filesystem"):
        # Files carry no questions to workers: the age of the oldest doorbell tells whether somebody takes them.
        queue = [path.stat().st_mtime for path in (settings.HOME / "queue").glob("*.msg")]
        if queue and time.time() - min(queue) > 60:
            return Finding("workers", FAIL, f"nobody takes doorbells: the oldest is {time.time() - min(queue):.0f} s old; {last}", "Start one: celery -A marketplace worker")
        return Finding("workers", OK if heard else WARN, f"no doorbell waits; {last}", "" if heard else "Start one: celery -A marketplace worker")
    from marketplace.celery import app

    try:
        alive = app.control.ping(timeout=2.0) or []
    except Exception as error:  # each transport has errors of its own
        return Finding("workers", FAIL, f"could not be asked: {_first_line(error)}", "See the line about the broker.")
    if not alive:
        return Finding("workers", FAIL, f"none answers; {last}", "Start one: celery -A marketplace worker")
    return Finding("workers", OK, f"{len(alive)} answer: {', '.join(sorted(name for one in alive for name in one))[:200]}")


def _queue() -> Finding:
    from marketplace.catalog.models import Version
    from marketplace.jobs.models import ReuseJob

    waiting = ReuseJob.objects.filter(status=ReuseJob.Status.QUEUED).order_by("created")
    checking = Version.objects.filter(status=Version.Status.CHECKING).order_by("created")
    said = f"{waiting.count():,} jobs and {checking.count():,} checks wait"
    oldest = min((row.created for row in (waiting.first(), checking.first()) if row is not None), default=None)
    if oldest is not None and timezone.now() - oldest > timedelta(seconds=QUEUE_OLD_S):
        return Finding("queue", WARN, f"{said}, the oldest since {_ago(oldest)}", "Add workers, or look into their logs.")
    return Finding("queue", OK, said)


def _storage() -> Iterator[Finding]:
    from marketplace.catalog import artifacts
    from marketplace.catalog.models import Artifact

    said, content = settings.STORAGE_URL.split("?")[0], b"doctor " + os.urandom(16)
    store = artifacts.store()
    try:
        kept = store.put(content)
        try:
            with store.open(kept.sha256) as file:
                same = file.read() == content
        finally:
            store.delete(kept.sha256)
    except Exception as error:  # each kind of store has errors of its own
        yield Finding("storage", FAIL, f"{said} does not keep bytes: {_first_line(error)}", "Correct MOORAGE_STORAGE_URL, the rights of the folder, or the credentials of the bucket.")
        return
    yield Finding("storage", OK if same else FAIL, f"{said}: written, read and deleted again" if same else f"{said} gave other bytes back", "" if same else "Check the disk.")
    sample, wrong = list(Artifact.objects.order_by("?").values_list("pk", flat=True)[:20]), []
    for sha256 in sample:
        try:
            store.open(sha256).close()
        except Exception as error:  # missing, damaged, or not to be read at all
            wrong.append(f"{sha256[:12]}…: {_first_line(error)}")
    yield Finding("artifacts", FAIL if wrong else OK, f"{len(wrong)} of {len(sample)} taken at random are missing or damaged: {wrong[0]}" if wrong else f"{len(sample)} taken at random are as they were put",
                  "Put the files of the last backup back: manage.py restore FOLDER --over, or copy them from its artifacts/." if wrong else "")


def _disk() -> Iterator[Finding]:
    places = {"home": settings.HOME}
    if settings.STORAGE_URL.startswith("file:"):
        places["storage"] = urlsplit(settings.STORAGE_URL).path
    for name, place in places.items():
        total, _, free = shutil.disk_usage(place)
        little = free < min(LITTLE_BYTES, LITTLE_SHARE * total)
        yield Finding(f"disk: {name}", WARN if little else OK, f"{free / 2**30:,.1f} of {total / 2**30:,.1f} GB free at {place}",
                      "Make room: a full disk refuses uploads with 507 and jobs with no-space." if little else "")


def _index() -> Finding:
    from marketplace.catalog.models import Space, Version
    from marketplace.matching import index

    if settings.INDEX_URL != "faiss:":
        return Finding("index", OK, f"kept by {settings.INDEX_URL.split('?')[0]}, which is not asked here")
    spaces = Space.objects.annotate(n=Count("versions", filter=Q(versions__is_latest=True))).filter(n__gt=0).order_by("-n")
    wrong, held = [], 0
    for space in spaces[:MANY_SPACES]:
        size = index.size(space.pk)
        held += size
        wanted = Version.objects.latest().filter(space=space).count()
        if size != wanted:
            wrong.append(f"{space.name}: {size:,} of {wanted:,}")
    if wrong:
        return Finding("index", FAIL, f"specifications can not be found: {'; '.join(wrong[:3])}", "Their files may be damaged: the log names them. Put them back from a backup, then restart the web.")
    return Finding("index", OK, f"{held:,} specifications of the {min(len(spaces), MANY_SPACES)} largest spaces, as in the table")


def _sandbox() -> Finding:
    from reuse.sandbox import probe

    level = probe.level()
    if not level.may_run:
        return Finding("sandbox", FAIL, f"this machine runs no model: {level.why}", "See docs/operations.md; workers must stand on Linux 5.13 or newer.")
    if level.name == "none":
        return Finding("sandbox", FAIL, f"models run with limits alone: {level.why}", "Unset MOORAGE_SANDBOX_LEVEL.")
    return Finding("sandbox", OK, f"level {level.name}{f' ({level.why})' if level.why else ''}")


def _clock() -> Finding:
    if connection.vendor == "sqlite":
        return Finding("clock", OK, f"{timezone.now():%Y-%m-%d %H:%M:%S} UTC; the database has the same")
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        skew = abs((cursor.fetchone()[0] - timezone.now()).total_seconds())
    if skew > SKEW_S:
        return Finding("clock", WARN, f"{skew:.1f} s off the database's", "Run an NTP client. Leases keep the database's time, so no job is lost by it.")
    return Finding("clock", OK, f"{skew:.2f} s off the database's")


def _home() -> Finding:
    mode = settings.HOME.stat().st_mode & 0o777
    if mode & 0o077:
        return Finding("home", WARN, f"{settings.HOME} is open to others (mode {mode:o}): a database made there may be theirs to read", f"Run: chmod 700 {settings.HOME}")
    return Finding("home", OK, f"{settings.HOME} is its owner's alone")


def _secrets() -> Iterator[Finding]:
    is_public = settings.SECURE or not {"127.0.0.1", "localhost"} & {urlsplit(settings.PUBLIC_URL).hostname}
    path = settings.HOME / "secret.key"
    if path.exists() and path.stat().st_mode & 0o077:
        yield Finding("secrets", FAIL, f"{path} can be read by others (mode {path.stat().st_mode & 0o777:o})", f"Run: chmod 600 {path}")
    elif len(settings.SECRET_KEY) < 32 or settings.SECRET_KEY.startswith("django-insecure"):
        yield Finding("secrets", FAIL, "the secret key is short or a default", "Set MOORAGE_SECRET_KEY to 50 random characters.")
    elif is_public and not os.environ.get("MOORAGE_SECRET_KEY"):
        yield Finding("secrets", WARN, f"the secret key lies in {path}", "Where there are several web machines, set the same MOORAGE_SECRET_KEY on each.")
    else:
        yield Finding("secrets", OK, "the secret key is long and nobody else's to read")
    if is_public and (settings.HOME / "credentials.json").exists():
        yield Finding("demo", WARN, "the people of the demo have passwords that this machine keeps in credentials.json", "Delete them, or begin a market with: run.py up --no-seed")


def _settings() -> Finding:
    found = django_checks.run_checks(include_deployment_checks=settings.SECURE)
    worst = [message for message in found if message.level >= django_checks.WARNING and not message.is_silenced()]
    if settings.DEBUG:
        return Finding("settings", FAIL, "MOORAGE_DEBUG is on: errors show settings to everybody", "Unset it.")
    if worst:
        state = FAIL if any(message.level >= django_checks.ERROR for message in worst) else WARN
        return Finding("settings", state, f"Django names {len(worst)}: {worst[0].id} {_first_line(worst[0].msg)}", worst[0].hint or "Run: manage.py check --deploy")
    if "*" in settings.ALLOWED_HOSTS and settings.SECURE:
        return Finding("settings", WARN, "MOORAGE_ALLOWED_HOSTS lets every name in", "Name the market's hosts.")
    return Finding("settings", OK, f"Django's checks{' for production' if settings.SECURE else ''} pass")


def _mail() -> Finding:
    from django.core import mail

    kind = settings.EMAIL_BACKEND.rsplit(".", 2)[-2]
    if kind != "smtp":
        return Finding("mail", WARN if settings.SECURE else OK, f"letters go to: {kind}", "Set MOORAGE_EMAIL_URL=smtp://… so that people can set a new password." if settings.SECURE else "")
    try:
        with closing(mail.get_connection(timeout=5)) as link:
            link.open()
    except OSError as error:
        return Finding("mail", FAIL, f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}: {_first_line(error)}", "Correct MOORAGE_EMAIL_URL, or start the mail server.")
    return Finding("mail", OK, f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT} takes letters")


def _first_line(error: Any) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def _ago(moment: Any) -> str:
    seconds = (timezone.now() - moment).total_seconds()
    return f"{seconds:.0f} s ago" if seconds < 120 else f"{seconds / 60:.0f} min ago" if seconds < 7200 else f"{seconds / 3600:.0f} h ago"
