"""Rows put before one model, to see what it answers: a learnware, or the result of a job."""

import hashlib
import io
import shutil
import tempfile
import uuid
from functools import lru_cache
from math import floor, isfinite, log10
from typing import Any

import numpy as np
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import ProtectedError
from django.http import HttpRequest
from rest_framework.throttling import SimpleRateThrottle

import specs
from marketplace.accounts import origins
from marketplace.catalog import access, artifacts, showing
from marketplace.catalog.models import Artifact, Version
from marketplace.errors import Refused
from marketplace.jobs import labelled, tasks
from marketplace.jobs.models import ReuseJob, Trial
from specs.columns import numbers, texts

MAX_ROWS = 50_000  # of a file
MAX_BYTES = 16 << 20
FEW = 100  # rows that may come as they are, without a file
SAMPLES = 5
SHOWN = 20  # answers of a file that the page shows
WAITING = 5  # trials of one person at a time
STRANGERS = 50  # trials at a time of all who are not signed in
PER_MINUTE = 30


class TrialRate(SimpleRateThrottle):
    """So many trials a minute, for each person, and for each address of somebody who is not signed in."""

    scope = "trials"
    rate = f"{PER_MINUTE}/min"

    def get_cache_key(self, request: Any, view: Any) -> str:
        return self.cache_format % {"scope": self.scope, "ident": origins.asker(request)}


def visitor(request: HttpRequest, *, make: bool = False) -> str:
    """A word for the browser of somebody who is not signed in; empty where there is none yet, unless one is to be made."""
    if request.user.is_authenticated:
        return ""
    if make and "visitor" not in request.session:
        request.session["visitor"] = uuid.uuid4().hex
    held = request.session.get("visitor")
    return hashlib.sha256(held.encode()).hexdigest() if held else ""


def find_version(user: Any, owner: str, name: str, number: str) -> Version | None:
    """A version that this person may run; None where they may not even know of it. Refused says how to be let in, or why it can not run."""
    held = Version.objects.filter(learnware__owner__username=owner, learnware__name=name, number=number).whole()
    version = held.visible_to(user).first()
    if version is None:
        return None
    access.insist(user, version)
    if version.status != Version.Status.USABLE:
        raise Refused("not-usable", f"Only a usable learnware can be tried; {version.reference} is {version.get_status_display()}.", hint="Look for another version on its page.", status=409)
    return version


def try_version(*, version: Version, user: Any, visitor: str = "", rows: Any = None, file: UploadedFile | None = None) -> Trial:
    """Queue a trial of a learnware on a few rows {column: [values]}, or, for people who are signed in, on a CSV file."""
    signed_in = user is not None and user.is_authenticated
    if file is not None and not signed_in:
        raise Refused("sign-in-first", "A file can be sent by people who are signed in; sample rows by everybody.", hint="Sign in, then send the file.", status=403)
    return _ask(user if signed_in else None, visitor, rows, file, version=version)


def predict(*, job: ReuseJob, user: Any, rows: Any = None, file: UploadedFile | None = None) -> Trial:
    """Queue a prediction by the result of one's own job."""
    if job.owner_id != user.pk and not user.is_staff:
        raise Refused("not-yours", "Only its owner may predict with the result of a job.", status=403)
    if job.status != ReuseJob.Status.DONE or job.result_id is None:
        raise Refused("no-result", f"This job has no result; it is {job.status}.", hint="Wait until it is done.", status=409)
    return _ask(user, "", rows, file, job=job)


def _ask(owner: Any, visitor: str, rows: Any, file: UploadedFile | None, **subject: Any) -> Trial:
    trial = Trial(id=uuid.uuid4(), owner=owner, visitor="" if owner else visitor, **subject)
    space = specs.Space.from_json(trial.space.document)
    if (rows is None) == (file is None):
        raise Refused("no-rows", "A trial needs rows or a file, one of the two.", hint='Send {"rows": {"column": [value, …]}}, or a CSV file as `file`.', fields={"rows": "Give rows or a file."})
    if file is None:
        trial.rows, trial.count = few(rows, space)
        return _queue(trial, None)
    trial.count = _check(file, space)
    stored = _keep(trial, file)
    try:
        return _queue(trial, stored)
    except BaseException:
        artifacts.drop(stored)
        raise


@transaction.atomic
def _queue(trial: Trial, stored: Any) -> Trial:
    _make_room(trial)
    if stored is not None:
        trial.input = artifacts.row(stored)
    trial.save(force_insert=True)
    transaction.on_commit(lambda: tasks.ring_for_trial(trial.pk))
    return trial


def few(rows: Any, space: specs.Space) -> tuple[dict[str, list], int]:
    """(the columns of the space as JSON holds them, how many rows) of {column: [values]}; Refused or SpecError for what is none."""
    if not isinstance(rows, dict) or not rows or not all(isinstance(values, list) for values in rows.values()):
        raise _wrong("rows must be an object of columns, each a list of values.", 'Write {"rows": {"column": [1, 2], "other": ["a", "b"]}}.')
    count = len(next(iter(rows.values())))
    if not 1 <= count <= FEW or any(len(values) != count for values in rows.values()):
        raise _wrong(f"Every column must have the same 1 to {FEW} values; got {sorted({len(values) for values in rows.values()})}.", "Send more rows as a CSV file.")
    if any(isinstance(value, list | dict) for values in rows.values() for value in values):
        raise _wrong("A value must be a number, a text, or null where it is not known.", "Take lists and objects apart into columns.")
    missing = [column.name for column in space.columns if column.name not in rows]
    if missing:
        raise _wrong(f"All {len(space.columns)} columns of the space are needed; missing: {', '.join(missing[:8])}{' …' if len(missing) > 8 else ''}.", "Name the columns as the space does.")
    found = {}
    for column in space.columns:
        values = np.array(rows[column.name], dtype=object)
        if column.type == "numeric":
            found[column.name] = [None if value != value else value for value in numbers(values, column.name).tolist()]
        else:
            found[column.name] = texts(values).tolist()
    space.encode(columns_of(found, space))
    return found, count


def columns_of(rows: dict[str, list], space: specs.Space) -> dict[str, np.ndarray]:
    """What `few` returned as raw columns: numbers as float64, words as objects."""
    return {column.name: np.array([np.nan if value is None else value for value in rows[column.name]], dtype=float) if column.type == "numeric"
            else np.array(rows[column.name], dtype=object) for column in space.columns}


def _check(file: UploadedFile, space: specs.Space) -> int:
    """How many rows a file has; Refused where it can not be answered."""
    if file.size > MAX_BYTES:
        raise Refused("data-too-large", f"A file may have {MAX_BYTES >> 20} MB here; got {-(-file.size // 2**20)} MB.", hint="Send it in parts, or download the model and predict on your own machine.",
                      status=413, fields={"file": "Too large."})
    file.seek(0)
    try:
        table = labelled.read_table(file, space=space, most=MAX_ROWS)
        space.encode(table.columns)
    except Refused as error:
        raise Refused(error.code, error.message, hint=error.hint, fields={"file": error.message}) from None
    except specs.SpecError as error:
        raise Refused(error.code, error.message, hint=error.hint, fields={"file": error.message}) from error
    return len(table.rows)


def _keep(trial: Trial, file: UploadedFile) -> Any:
    """Put the file into the store under a first line of its own.

    So its digest is this trial's alone, and it can be deleted as soon as the trial is over: nobody else's row can come to point at it.
    """
    with tempfile.TemporaryFile() as whole:
        whole.write(f"{trial.pk}\n".encode())
        file.seek(0)
        shutil.copyfileobj(file, whole, 1 << 20)
        return artifacts.put(whole)


def open_input(sha256: str) -> io.BytesIO:
    """The file of a trial, after the line that `_keep` set before it."""
    return io.BytesIO(artifacts.read(sha256).partition(b"\n")[2])


def forget(sha256: str | None) -> None:
    """Delete what somebody sent; twice is once."""
    if sha256 is None or artifacts.held_back():
        return  # a backup reads it: the sweeper comes for it later
    try:
        Artifact.objects.filter(pk=sha256).delete()
    except ProtectedError:
        return  # another attempt still reads it
    artifacts.store().delete(sha256)


def sweep() -> int:
    """Delete the trials whose day is over, with what was sent; what came out is swept with the artifacts. Returns how many."""
    gone = 0
    for trial in Trial.objects.expired():
        trial.delete()
        forget(trial.input_id)
        gone += 1
    return gone


def _make_room(trial: Trial) -> None:
    waiting = Trial.objects.open()
    if trial.owner is not None:
        # The lock on the owner's row makes count and insert one step; SQLite's IMMEDIATE does so anyway.
        get_user_model().objects.select_for_update().get(pk=trial.owner.pk)
        count, most = waiting.filter(owner=trial.owner).count(), WAITING
    else:
        count, most = waiting.filter(owner=None, visitor=trial.visitor).count(), WAITING
        if count < most and waiting.filter(owner=None).count() >= STRANGERS:
            raise Refused("too-many-trials", "Too many visitors try models at this moment.", hint="Try again in a minute, or sign in.", status=429)
    if count >= most:
        raise Refused("too-many-trials", f"At most {most} trials may wait at a time; {count} of yours do.", hint="Wait until one is done.", status=429)


@lru_cache(maxsize=256)
def samples(sha256: str) -> list[list[str]]:
    """SAMPLES rows that are made of a specification's points, as words by column: the heaviest point, then those farthest from what is there."""
    spec = showing.specification(sha256)
    points, weights = np.asarray(spec.rkme.points, dtype=float), np.asarray(spec.rkme.weights, dtype=float)
    heavy = np.argsort(-weights, kind="stable")[:60]
    chosen = [int(heavy[0])]
    while len(chosen) < min(SAMPLES, len(heavy)):
        far = np.min([((points[heavy] - points[i]) ** 2).sum(axis=1) for i in chosen], axis=0)
        chosen.append(int(heavy[far.argmax()]))
    columns = spec.space.decode(points[chosen])
    return [[_word(columns[column.name][i], column) for i in range(len(chosen))] for column in spec.space.columns]


def _word(value: Any, column: Any) -> str:
    """A value as a person would write it: to about a hundredth of the column's scale."""
    if column.type != "numeric":
        return "" if value is None else str(value)
    if not isfinite(value):
        return ""
    digits = 2 - floor(log10(column.scale)) if column.scale and column.scale > 0 else 4
    return f"{round(float(value), min(max(digits, 0), 12)):.{min(max(digits, 0), 12)}f}"


def _wrong(message: str, hint: str) -> Refused:
    return Refused("bad-rows", message, hint=hint, fields={"rows": message})
