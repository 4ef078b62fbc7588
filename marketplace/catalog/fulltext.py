"""Search by words: which versions hold a text anywhere in their lower-case words.

One question, two engines: SQLite keeps a trigram table (FTS5) beside the versions, filled by triggers, whoever writes; PostgreSQL has a trigram
index on the column itself. Both find parts of words, so what is found is what `words__contains` finds, and only sooner. The tables are made after each
migrate rather than by one: when Django alters a table of SQLite it copies it, and the triggers of the old one are gone.
"""

import logging
from typing import Any

from django.db import ProgrammingError, connection, connections, transaction
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

log = logging.getLogger(__name__)
MOST = 20  # words of a search that count
SHORTEST = 3  # letters that a trigram needs

SQLITE = (
    "CREATE TABLE IF NOT EXISTS catalog_wordkey (id INTEGER PRIMARY KEY, version_id char(32) NOT NULL UNIQUE)",
    "CREATE VIRTUAL TABLE IF NOT EXISTS catalog_words USING fts5(words, tokenize='trigram')",
    "CREATE TRIGGER IF NOT EXISTS catalog_words_added AFTER INSERT ON catalog_version BEGIN "
    "INSERT INTO catalog_wordkey (version_id) VALUES (new.id); "
    "INSERT INTO catalog_words (rowid, words) SELECT id, new.words FROM catalog_wordkey WHERE version_id = new.id; END",
    "CREATE TRIGGER IF NOT EXISTS catalog_words_changed AFTER UPDATE OF words ON catalog_version WHEN old.words <> new.words BEGIN "
    "UPDATE catalog_words SET words = new.words WHERE rowid = (SELECT id FROM catalog_wordkey WHERE version_id = new.id); END",
    "CREATE TRIGGER IF NOT EXISTS catalog_words_gone AFTER DELETE ON catalog_version BEGIN "
    "DELETE FROM catalog_words WHERE rowid = (SELECT id FROM catalog_wordkey WHERE version_id = old.id); "
    "DELETE FROM catalog_wordkey WHERE version_id = old.id; END",
)
REFILL = (
    "DELETE FROM catalog_words",
    "DELETE FROM catalog_wordkey",
    "INSERT INTO catalog_wordkey (version_id) SELECT id FROM catalog_version",
    "INSERT INTO catalog_words (rowid, words) SELECT k.id, v.words FROM catalog_wordkey k JOIN catalog_version v ON v.id = k.version_id",
)
POSTGRESQL = (
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    "CREATE INDEX IF NOT EXISTS catalog_version_words_trgm ON catalog_version USING gin (words gin_trgm_ops)",
)


def words_of(text: str) -> list[str]:
    """The words of a search, as the catalog holds them."""
    return [word for word in text.replace("\x00", "").lower().split() if word][:MOST]


def narrow(versions: QuerySet, text: str) -> QuerySet:
    """Those of the versions that hold every word of the text."""
    words = words_of(text)
    if words and connection.vendor == "sqlite":
        return versions.filter(pk__in=RawSQL(*_asked(words)))
    for word in words:
        versions = versions.filter(words__contains=word)
    return versions


def keys(text: str, versions: QuerySet) -> list[str]:
    """The ids, in hexadecimal, of the versions that hold every word of the text. `versions` says where to look, as far as the engine can use it."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(*_asked(words_of(text)))
            return [row[0] for row in cursor.fetchall()]
    return [pk.hex for pk in narrow(versions, text).order_by().values_list("pk", flat=True)]


def _asked(words: list[str]) -> tuple[str, list[str]]:
    """SQL and its parameters. Words too short for a trigram are looked for one row after the other, among what the long ones leave."""
    long, short = [w for w in words if len(w) >= SHORTEST], [w for w in words if len(w) < SHORTEST]
    wanted, given = [], []
    if long:
        wanted.append("catalog_words MATCH %s")
        given.append(" AND ".join('"' + word.replace('"', '""') + '"' for word in long))
    wanted += ["instr(words, %s) > 0"] * len(short)
    inner = f"SELECT rowid FROM catalog_words WHERE {' AND '.join(wanted)}"
    return f"SELECT version_id FROM catalog_wordkey WHERE id IN ({inner})", [*given, *short]


def make(using: str = "default", **_: Any) -> None:
    """Make what the search needs where it is missing; called after every migrate."""
    opened = connections[using]
    if "catalog_version" not in opened.introspection.table_names():
        return
    if opened.vendor == "sqlite":
        _make_sqlite(opened)
    elif opened.vendor == "postgresql":
        _make_postgresql(opened, using)


def _make_sqlite(opened: Any) -> None:
    with transaction.atomic(using=opened.alias), opened.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'catalog_words_%%'")
        is_whole = cursor.fetchone()[0] == 3
        for statement in (*SQLITE, *(() if is_whole else REFILL)):
            cursor.execute(statement)


def _make_postgresql(opened: Any, using: str) -> None:
    try:
        with transaction.atomic(using=using), opened.cursor() as cursor:
            for statement in POSTGRESQL:
                cursor.execute(statement)
    except ProgrammingError as error:
        log.warning("Search by words goes without an index, which is slow in a large catalog: %s Let an administrator run: CREATE EXTENSION pg_trgm; then migrate again.", error)
