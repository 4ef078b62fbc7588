"""The heavy work of a job: the only file of this app that loads torch (through reuse.engine).

Everything happens in a scratch folder of this attempt; the result becomes visible in one
transaction, and only while the fencing token is ours. So a job that is run twice has one effect.
"""

import json
import logging
import math
import shutil
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction

import specs
from marketplace import failing, logs
from marketplace.catalog import artifacts
from marketplace.errors import Refused
from marketplace.jobs import answers, endings, labelled, tasks, trying
from marketplace.jobs import members as choosing
from marketplace.jobs.models import ReuseJob, Trial, WrongState
from marketplace.jobs.watch import Held, Watch
from reuse import predictor, sandbox
from reuse.engine import Labelled, Member, Outcome, Plan
from reuse.engine import run as run_plan
from reuse.errors import ReuseError
from reuse.manifest import Manifest
from reuse.weights import statistics
from storage import ArtifactDamaged, ArtifactMissing

log = logging.getLogger(__name__)
NO_DATABASE = (OperationalError, InterfaceError)  # away, or the connection was cut
MAX_HEADER = 64 << 20  # of a checkpoint


def run(job_id: UUID) -> None:
    """Do a job that waits, once. One that is over, gone, or runs elsewhere is left alone."""
    with logs.about(job_id):
        _run(job_id)


def _run(job_id: UUID) -> None:
    job = ReuseJob.objects.whole().filter(pk=job_id).first()
    if job is None:
        return
    try:
        token = job.claim()
    except WrongState:
        return
    log.info("job %s: attempt %s of %s", job.pk, job.attempts, job.method)
    with Watch(job, token) as watch:
        try:
            _attempt(job, token, watch)
        except WrongState:
            log.warning("job %s was lost to another worker; this attempt leaves nothing", job.pk)
            return
        except NO_DATABASE:
            _leave_to_the_reaper(f"job {job.pk}")
            return
        except Exception as error:  # the edge of the process: whatever it was, the row must say so
            _end_badly(job, token, watch, error)
    log.info("job %s: %s", job.pk, job.status)
    tasks.ring_next(job.owner_id)


def run_trial(trial_id: UUID) -> None:
    """Put the rows of a trial that waits before its model, once; what was sent is deleted when it is over."""
    trial = Trial.objects.whole().filter(pk=trial_id).first()
    if trial is None:
        return
    try:
        token = trial.claim()
    except WrongState:
        return
    sent = trial.input_id
    try:
        with Held(trial, token):
            try:
                with tempfile.TemporaryDirectory(prefix="moorage-trial-") as folder:
                    answer, output = _tried(trial, Path(folder))
                _finish_trial(trial, token, answer, output)
            except (WrongState, *NO_DATABASE):
                raise
            except Exception as error:  # the edge of the process: whatever it was, the row must say so
                trial.fail(token, _told(error, f"trial {trial.pk}"))
    except WrongState:
        log.warning("trial %s was lost to another worker; this attempt leaves nothing", trial.pk)
        return
    except NO_DATABASE:
        _leave_to_the_reaper(f"trial {trial.pk}")
        return
    trying.forget(sent)
    log.info("trial %s: %s", trial.pk, trial.state)


def _leave_to_the_reaper(what: str) -> None:
    """A database that went away is no fault of the work's: its lease ends with this attempt's heartbeat, and it is given to another, three times at most."""
    log.warning("%s: the database went away in the middle; it is tried again", what, exc_info=True)
    connection.close()


def _tried(trial: Trial, folder: Path) -> tuple[dict, bytes | None]:
    """(the first answers, all of them as CSV where a file came)."""
    space = specs.Space.from_json(trial.space.document)
    if trial.rows is not None:
        table, columns = None, trying.columns_of(trial.rows, space)
    else:
        table = labelled.read_table(trying.open_input(trial.input_id), space=space, most=trying.MAX_ROWS)
        columns = table.columns
    output, values = _asked(trial, folder, space, columns)
    shown = trying.SHOWN if table else trying.FEW
    return answers.first(output, values, columns, shown), answers.csv(output, values, table) if table else None


def _asked(trial: Trial, folder: Path, space: specs.Space, columns: dict[str, np.ndarray]) -> tuple[dict, np.ndarray]:
    """(the output signature, what the model answers); a stranger's model is opened in the sandbox alone, whatever it holds."""
    if trial.version_id:
        version = trial.version
        path = folder / Path(version.manifest["model"]["file"]).name
        artifacts.copy(version.model_id, path)
        member = {"name": version.reference, "path": str(path), "manifest": version.manifest}
        return version.output, sandbox.shared().predict([member], space.to_json(), columns)[0]
    artifacts.copy(trial.job.result_id, folder / "result.zip")
    found = predictor.load(predictor.unpack(folder / "result.zip", folder / "predictor"))
    said = found.predict(columns)
    return found.document["output"], said.values if said.probabilities is None else said.probabilities


def _finish_trial(trial: Trial, token: str, answer: dict, output: bytes | None) -> None:
    stored = artifacts.put(output) if output is not None else None
    with transaction.atomic():  # the effect and the state: both or neither
        trial.finish(token, answer=plain(answer), output=artifacts.row(stored) if stored else None)


def warm() -> None:
    """Have torch loaded (importing this file did) and the sandbox's zygote running; sweep old scratch folders."""
    sweep_scratch()
    sandbox.shared().warm()


def _attempt(job: ReuseJob, token: str, watch: Watch) -> None:
    with _scratch(job, token) as folder:
        watch.report("fetching", 0.0, f"Fetching {job.members.count()} learnwares")
        plan = _plan(job, folder, watch)
        with _checkpoints(job) as kept:
            watch.may_go_on(_left_half_done(kept))
            outcome = run_plan(plan, progress=watch.report, cancelled=watch.over, workdir=folder / "work", seen=watch.learned, checkpoints=kept, heard=watch.moved)
        if watch.over():
            raise ReuseError("cancelled", "The job was stopped.", "")
        watch.report("storing", 0.99, "Storing the predictor")
        _store(job, token, outcome, folder / "result.zip")


def _plan(job: ReuseJob, folder: Path, watch: Watch) -> Plan:
    chosen = [choosing.Chosen(member.version, member.weight) for member in job.members.all()]
    space, output = specs.Space.from_json(job.space.document), choosing.agree(chosen)
    kind, _, method = job.method.partition("/")
    base = choosing.base_of(chosen, job.owner)
    return Plan(
        members=[_fetched(position, member, folder, watch) for position, member in enumerate(chosen)],
        base=_member("base", choosing.Chosen(base, 0.0), folder) if base else None,
        kind=kind,
        method=method or kind,
        params=job.params,
        space=space,
        output=output,
        requirement=_rkme(job.requirement_id) if job.requirement_id else None,
        data=_labelled(job, space, output),
        rows=_rows(job, space),
        seed=0,
        budget_s=settings.JOB_BUDGET_S,
    )


def _fetched(position: int, member: choosing.Chosen, folder: Path, watch: Watch) -> Member:
    if watch.over():
        raise ReuseError("cancelled", "The job was stopped.", "")
    began = time.perf_counter()
    watch.moved(position, {"state": "fetching", "bytes": member.version.manifest["model"].get("size")})
    found = _member(str(position), member, folder)
    watch.moved(position, {"state": "fetched", "fetching_s": round(time.perf_counter() - began, 3)})
    return found


def _member(place: str, member: choosing.Chosen, folder: Path) -> Member:
    version = member.version
    manifest = Manifest.read(version.manifest)
    path = folder / "members" / place / Path(version.manifest["model"]["file"]).name
    path.parent.mkdir(parents=True)
    artifacts.copy(version.model_id, path)
    published = None
    if version.statistics_id:
        published = path.parent / statistics.FILE
        artifacts.copy(version.statistics_id, published)
    return Member(
        reference=version.reference,
        path=path,
        manifest=manifest,
        rkme=_rkme(version.specification_id),
        weight=member.weight,
        licence=version.licence,
        statistics=published,
    )


def _rkme(sha256: str) -> Any:
    return specs.Specification.from_bytes(artifacts.read(sha256)).rkme


def _labelled(job: ReuseJob, space: Any, output: dict) -> Labelled | None:
    if not job.data_id:
        return None
    with artifacts.open(job.data_id) as file:
        columns, target = labelled.read(file, space=space, output=output, target=job.target)
    return Labelled(columns=columns, target=target)


def _rows(job: ReuseJob, space: Any) -> dict[str, np.ndarray] | None:
    if not job.rows_id:
        return None
    with artifacts.open(job.rows_id) as file:
        return labelled.read_rows(file, space=space)


def _store(job: ReuseJob, token: str, outcome: Outcome, path: Path) -> None:
    predictor.pack(outcome.folder, path)
    with path.open("rb") as file:
        stored = artifacts.put(file)

    def finish() -> None:
        with transaction.atomic():  # the effect and the state: both or neither
            job.finish(token, result=artifacts.row(stored), evidence=plain(outcome.evidence), lineage=plain(outcome.lineage))
            endings.tell(job)

    _insist(finish)


def _end_badly(job: ReuseJob, token: str, watch: Watch, error: Exception) -> None:
    def end() -> None:
        with transaction.atomic():
            if watch.why == "cancelled":
                job.stop(token)
            elif watch.why != "lost":
                job.fail(token, _said(job, watch, error))
                endings.tell(job)

    try:
        _insist(end)
    except WrongState:
        log.warning("job %s was lost to another worker while it failed", job.pk)


def _insist(write: Callable[[], None]) -> None:
    """Do the last write of an attempt, over a new connection where the old one was cut, for as long as the lease may still hold: what was computed is worth a few seconds.

    A commit whose answer was lost is told by the token: it is gone, so the second try is a WrongState and changes nothing.
    """
    until = time.monotonic() + settings.JOB_LEASE_S / 2
    while True:
        try:
            return write()
        except NO_DATABASE:
            if time.monotonic() > until:
                raise
            log.warning("the database did not take the end of a job; it is written again", exc_info=True)
            connection.close()
            time.sleep(0.5)


def _said(job: ReuseJob, watch: Watch, error: Exception) -> dict:
    """The error as the user reads it; what nobody expected is logged whole and not shown."""
    if watch.why == "out-of-time":
        return {"code": "out-of-time", "message": f"A job may take {settings.JOB_LIMIT_S} s; this one was stopped.",
                "hint": "Take fewer members, fewer rows, or a simpler method."}
    return _told(error, f"job {job.pk}")


def _told(error: Exception, what: str) -> dict:
    if isinstance(error, ReuseError | specs.SpecError | Refused):
        return {"code": error.code, "message": error.message, "hint": error.hint or ""}
    if isinstance(error, ArtifactMissing | ArtifactDamaged):
        log.error("%s: %s", what, error)
        return {"code": "artifact-damaged", "message": "The file of a member is missing or damaged in the store.",
                "hint": "Search again and leave that learnware out; the operators can see which file it is."}
    if isinstance(error, OSError) and error.errno in failing.FULL:
        log.error("%s: %s", what, error)
        return {"code": "no-space", "message": "The disk of the worker or the store is full.", "hint": "The operators have been told; ask again later."}
    log.exception("%s failed unexpectedly", what, exc_info=error)
    return {"code": "unexpected", "message": f"The {what.split()[0]} failed for a reason that nobody foresaw; it has been logged.",
            "hint": f"Try another method or model; if it stays, report {what}."}


def plain(value: Any) -> Any:
    """The value as JSON can hold it: numpy becomes Python, what is not finite becomes null."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    return str(value)


@contextmanager
def _scratch(job: ReuseJob, token: str) -> Iterator[Path]:
    sweep_scratch()
    folder = settings.HOME / "scratch" / f"{job.pk}.{token}"
    (folder / "work").mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _checkpoints(job: ReuseJob) -> Iterator[Path]:
    """A folder that outlives an attempt whose worker dies, so that the next one trains on from there; gone when the attempt ends by itself."""
    folder = settings.HOME / "checkpoints" / str(job.pk)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _left_half_done(checkpoints: Path) -> dict[str, int]:
    """{method: epochs so far} of trainings that an earlier attempt did not end; read from the headers alone."""
    found = {}
    for path in checkpoints.glob("*.safetensors"):
        try:
            with path.open("rb") as file:
                (length,) = struct.unpack("<Q", file.read(8))
                state = json.loads(json.loads(file.read(min(length, MAX_HEADER)))["__metadata__"]["state"])
            found[path.stem.replace("-", "/", 1)] = len(state["curve"])
        except (OSError, ValueError, KeyError, TypeError, struct.error):
            continue  # half a file: training begins anew, and nothing is said
    return found


def sweep_scratch() -> None:
    """Remove the folders of attempts that a killed worker left behind, and checkpoints of jobs that are over."""
    for folder in (settings.HOME / "checkpoints").glob("*"):
        if not ReuseJob.objects.open().filter(pk=folder.name).exists():
            shutil.rmtree(folder, ignore_errors=True)
    for folder in (settings.HOME / "scratch").glob("*.*"):
        job_id, _, token = folder.name.partition(".")
        if not ReuseJob.objects.filter(pk=job_id, token=token, status=ReuseJob.Status.RUNNING).exists():
            shutil.rmtree(folder, ignore_errors=True)
