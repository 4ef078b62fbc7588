"""Backup and restore of a whole market: the database as it was at one moment, and every byte that it names.

The order makes it consistent while the market works: first one snapshot of the database (SQLite's backup API; on PostgreSQL a COPY of every table inside one REPEATABLE READ
transaction), then the artifacts that the snapshot names. Artifacts never change, and while the mark of a backup stands nobody deletes any (`artifacts.held_back`).
Indexes are caches and stay out. A folder is a backup once its manifest.json is there, which is written last and holds the SHA-256 of all else.
"""

import hashlib
import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from marketplace.catalog import artifacts, uploading
from marketplace.errors import Refused
from storage import ArtifactDamaged, ArtifactMissing

FORMAT = "moorage.backup/1"
MANIFEST = "manifest.json"
SQLITE = "database.sqlite3"
TABLES = "tables"
SUMS = "SHA256SUMS"
PART = 1 << 20


# --- backup ----------------------------------------------------------------------------------


def backup(folder: Path, *, with_key: bool = False) -> dict[str, Any]:
    """Write the market to a new folder and return the manifest. Raises Refused where the folder holds something; what is damaged in the store is named in the manifest."""
    if folder.exists() and any(folder.iterdir()):
        raise Refused("not-empty", f"A backup goes into a new or empty folder; {folder} holds something.", hint="Name another folder.")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _nothing_deleted():
        sums = dict(_snapshot_sqlite(folder) if connection.vendor == "sqlite" else _dump_tables(folder))
        named = _named(folder)
        wrong = _copy_artifacts(named["artifacts"], folder / "artifacts", sums)
        _copy_uploads(named["uploads"], folder / "uploads", sums)
    if with_key and (settings.HOME / "secret.key").exists():
        shutil.copy(settings.HOME / "secret.key", folder / "secret.key")
        os.chmod(folder / "secret.key", 0o600)
        sums["secret.key"] = _sha256(folder / "secret.key")
    text = "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items()))
    _write(folder / SUMS, text.encode())
    manifest = {
        "format": FORMAT, "made": timezone.now().isoformat(), "database": connection.vendor, "migrations": named["migrations"],
        "artifacts": len(named["artifacts"]), "bytes": sum(named["artifacts"].values()), "uploads": len(named["uploads"]),
        "sums": hashlib.sha256(text.encode()).hexdigest(), **wrong,
    }
    _write(folder / MANIFEST, json.dumps(manifest, indent=1).encode())
    return manifest


@contextmanager
def _nothing_deleted() -> Iterator[None]:
    """The mark that tells every process to delete no artifact; renewed while the backup runs, and gone by itself if it is killed."""
    over = threading.Event()
    artifacts.hold_back()

    def renew() -> None:
        while not over.wait(artifacts.HOLD_S / 3):
            artifacts.hold_back()
        connection.close()

    thread = threading.Thread(target=renew, name="hold-artifacts", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(10)
        artifacts.let_go()


def _snapshot_sqlite(folder: Path) -> Iterator[tuple[str, str]]:
    path = folder / SQLITE
    # A copy of all pages in one step: a reader's view of one moment, while writers go on in the log.
    with closing(sqlite3.connect(f"file:{settings.DATABASES['default']['NAME']}?mode=ro", uri=True, timeout=60)) as source, closing(sqlite3.connect(path)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")
        if (said := target.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
            raise Refused("database-damaged", f"SQLite finds the database damaged: {said[:200]}.", hint="Restore the last backup that is whole.")
    os.chmod(path, 0o600)
    yield SQLITE, _sha256(path)


def _dump_tables(folder: Path) -> Iterator[tuple[str, str]]:
    (folder / TABLES).mkdir()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        found = {}
        for table in _tables():
            cursor.execute("SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = %s AND is_generated = 'NEVER' ORDER BY ordinal_position", [table])
            found[table] = [row[0] for row in cursor.fetchall()]
            with (folder / TABLES / f"{table}.copy").open("wb") as file, cursor.copy(f"COPY {_quoted(table)} ({_columns(found[table])}) TO STDOUT") as copy:
                for block in copy:
                    file.write(block)
    _write(folder / TABLES / "columns.json", json.dumps(found, indent=1).encode())
    for path in sorted((folder / TABLES).iterdir()):
        os.chmod(path, 0o600)
        yield f"{TABLES}/{path.name}", _sha256(path)


def _named(folder: Path) -> dict[str, Any]:
    """What the snapshot names, read from the snapshot and not from the market, which has gone on: {"artifacts": {digest: bytes}, "uploads": {id: bytes}, "migrations": [[app, name]]}."""
    asked = {
        "artifacts": ("catalog_artifact", ("sha256", "size")), "uploads": ("catalog_upload", ("id", "offset")), "migrations": ("django_migrations", ("app", "name")),
    }
    found: dict[str, list[tuple]] = {}
    if (folder / SQLITE).exists():
        with closing(sqlite3.connect(folder / SQLITE)) as copy:
            found = {key: copy.execute(f"SELECT {_columns(columns)} FROM {_quoted(table)} ORDER BY 1").fetchall() for key, (table, columns) in asked.items()}
    else:
        held = json.loads((folder / TABLES / "columns.json").read_text())
        for key, (table, columns) in asked.items():
            places = [held[table].index(column) for column in columns]
            lines = (line.rstrip("\n").split("\t") for line in (folder / TABLES / f"{table}.copy").open())
            found[key] = sorted(tuple(line[place] for place in places) for line in lines)
    return {"artifacts": {sha256: int(size) for sha256, size in found["artifacts"]}, "uploads": {_dashed(pk): int(offset) for pk, offset in found["uploads"]},
            "migrations": [list(pair) for pair in found["migrations"]]}


def _copy_artifacts(named: Iterable[str], folder: Path, sums: dict[str, str]) -> dict[str, list[str]]:
    wrong: dict[str, list[str]] = {"missing": [], "damaged": []}
    for sha256 in named:
        path = folder / sha256[:2] / sha256
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            artifacts.copy(sha256, path)
        except (ArtifactMissing, ArtifactDamaged) as error:
            wrong["missing" if isinstance(error, ArtifactMissing) else "damaged"].append(sha256)
            path.unlink(missing_ok=True)
            continue
        os.chmod(path, 0o400)
        sums[f"artifacts/{sha256[:2]}/{sha256}"] = sha256
    return wrong


def _copy_uploads(named: dict[str, int], folder: Path, sums: dict[str, str]) -> None:
    """What had arrived of each upload when the snapshot was taken: those bytes do not change any more. One that was offered meanwhile begins anew after a restore."""
    folder.mkdir()
    for pk, offset in named.items():
        try:
            with (uploading.folder() / pk).open("rb") as source, (folder / pk).open("wb") as target:
                _copy_part(source, target, offset)
        except FileNotFoundError:
            continue
        sums[f"uploads/{pk}"] = _sha256(folder / pk)


# --- restore ---------------------------------------------------------------------------------


def read(folder: Path) -> dict[str, Any]:
    """The manifest, once every byte of the backup has been held against it. Raises Refused where something is missing or changed."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        if manifest["format"] != FORMAT:
            raise ValueError
        text = (folder / SUMS).read_bytes()
    except (OSError, ValueError, KeyError, TypeError):
        raise Refused("no-backup", f"{folder} is not a whole backup: it needs a {MANIFEST} of the format {FORMAT}, and {SUMS}.", hint="Name the folder that `manage.py backup` wrote.") from None
    wrong = [] if hashlib.sha256(text).hexdigest() == manifest["sums"] else [SUMS]
    for line in text.decode().splitlines():
        digest, _, name = line.partition("  ")
        try:
            if _sha256(folder / name) != digest:
                wrong.append(name)
        except OSError:
            wrong.append(name)
    if wrong:
        raise Refused("damaged-backup", f"{len(wrong)} files of the backup are missing or changed: {', '.join(wrong[:5])}.", hint="Take another backup; nothing was restored.")
    return manifest


def restore(folder: Path, *, over: bool = False) -> dict[str, Any]:
    """Make this market what the backup holds, and return its manifest. Web and workers must be stopped.

    Bytes first, the database in one transaction after them: whoever kills it in between has the old market with some more bytes. Raises Refused where the market holds something
    (unless `over`), the backup is damaged, or the database is of another kind.
    """
    manifest = read(folder)
    if manifest["database"] != connection.vendor:
        raise Refused("other-database", f"The backup is one of {manifest['database']}; this market keeps its rows in {connection.vendor}.", hint="Restore into a database of the same kind.")
    known = {(app, name) for app, name in manifest["migrations"]}
    if newer := sorted(known - _migrations_on_disk()):
        raise Refused("newer-backup", f"The backup was made by a newer version: it knows {len(newer)} migrations that this one does not, such as {newer[0][0]}.{newer[0][1]}.", hint="Install that version first.")
    if not over and not is_empty():
        raise Refused("market-not-empty", "This market holds people or learnwares; a restore would replace them all.", hint="Take a backup of it, then say --over.")
    for path in sorted((folder / "artifacts").rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                artifacts.put(file)
    if connection.vendor == "sqlite":
        _load_sqlite(folder / SQLITE)
    else:
        _load_tables(folder / TABLES, known)
    _restore_uploads(folder / "uploads")
    call_command("migrate", verbosity=0, interactive=False)
    call_command("createcachetable", verbosity=0)
    _forget_caches()
    if (folder / "secret.key").exists() and not os.environ.get("MOORAGE_SECRET_KEY"):
        shutil.copy(folder / "secret.key", settings.HOME / "secret.key")
    return manifest


def is_empty() -> bool:
    """Whether this market has no tables, or nobody in them."""
    from marketplace.accounts.models import User

    return User._meta.db_table not in connection.introspection.table_names() or not User.objects.exists()


def verify() -> dict[str, Any]:
    """Hold the market's rows against its bytes: {"artifacts", "missing": [...], "damaged": [...], "database": "ok" or what is wrong}."""
    from marketplace.catalog.models import Artifact

    found: dict[str, Any] = {"artifacts": 0, "missing": [], "damaged": [], "database": "ok"}
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA integrity_check")
            found["database"] = cursor.fetchone()[0]
            cursor.execute("PRAGMA foreign_key_check")
            if cursor.fetchone():
                found["database"] = "a row refers to one that is not there"
    for sha256 in Artifact.objects.values_list("pk", flat=True).iterator():
        found["artifacts"] += 1
        try:
            artifacts.open(sha256).close()
        except ArtifactMissing:
            found["missing"].append(sha256)
        except ArtifactDamaged:
            found["damaged"].append(sha256)
    return found


def _load_sqlite(path: Path) -> None:
    connection.close()
    target = Path(settings.DATABASES["default"]["NAME"])
    target.parent.mkdir(parents=True, exist_ok=True)
    # SQLite's own way of replacing a database's content: under its locks, whole or not at all.
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as source, closing(sqlite3.connect(target, timeout=60)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=WAL")


def _load_tables(folder: Path, known: set[tuple[str, str]]) -> None:
    columns = json.loads((folder / "columns.json").read_text())
    _migrate_to(known)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        _empty(cursor)
        for table, names in columns.items():
            with (folder / f"{table}.copy").open("rb") as file, cursor.copy(f"COPY {_quoted(table)} ({_columns(names)}) FROM STDIN") as copy:
                while block := file.read(PART):
                    copy.write(block)
        for statement in connection.ops.sequence_reset_sql(no_style(), [model for model in apps.get_models(include_auto_created=True) if model._meta.db_table in columns]):
            cursor.execute(statement)


def _migrate_to(known: set[tuple[str, str]]) -> None:
    """Bring an empty database to the migrations that the backup knows: columns then fit; what came later follows once its rows are in."""
    last: dict[str, str] = {}
    for app, name in sorted(known):
        last[app] = name
    call_command("migrate", verbosity=0, interactive=False)
    with connection.cursor() as cursor:
        _empty(cursor, but={"django_migrations"})
    here = MigrationRecorder(connection).applied_migrations()
    for app, name in sorted(last.items(), reverse=True):
        if any(a == app and (a, n) not in known for a, n in here):
            call_command("migrate", app, name, verbosity=0, interactive=False)


def _empty(cursor: Any, but: Iterable[str] = ()) -> None:
    here = set(connection.introspection.table_names(cursor)) - set(but)
    cursor.execute(f"TRUNCATE {', '.join(_quoted(table) for table in _tables() if table in here)} CASCADE")


def _restore_uploads(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        shutil.copy(path, uploading.folder() / path.name)
        os.chmod(uploading.folder() / path.name, 0o600)


def _forget_caches() -> None:
    from django.core.cache import cache

    from marketplace.matching import index
    from marketplace.matching.models import IndexSnapshot

    IndexSnapshot.objects.all().delete()
    shutil.rmtree(settings.HOME / "index", ignore_errors=True)
    index.forget()
    cache.clear()


# --- inside ----------------------------------------------------------------------------------


def _migrations_on_disk() -> set[tuple[str, str]]:
    from django.db.migrations.loader import MigrationLoader

    return set(MigrationLoader(None, ignore_no_migrations=True).disk_migrations)


def _tables() -> list[str]:
    models = [model._meta.db_table for model in apps.get_models(include_auto_created=True) if model._meta.managed and not model._meta.proxy]
    return sorted({*models, "django_migrations"})


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)


def _columns(names: Iterable[str]) -> str:
    return ", ".join(_quoted(name) for name in names)


def _dashed(pk: str) -> str:
    """A UUID as PostgreSQL writes it; SQLite's has no dashes."""
    return pk if "-" in pk else f"{pk[:8]}-{pk[8:12]}-{pk[12:16]}-{pk[16:20]}-{pk[20:]}"


def _copy_part(source: BinaryIO, target: BinaryIO, size: int) -> None:
    while size > 0 and (part := source.read(min(PART, size))):
        target.write(part)
        size -= len(part)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
