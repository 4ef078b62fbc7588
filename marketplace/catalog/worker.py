"""The check of an offer: opens the model in the sandbox and runs it on its own specification."""

import logging
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy, gettext_noop

from marketplace import leases
from marketplace.accounts import notices
from marketplace.catalog import artifacts, cards, tasks
from marketplace.catalog.models import Version
from reuse import ReuseError, formats, sandbox
from reuse.weights import statistics
from specs import SpecError
from storage import ArtifactDamaged, ArtifactMissing

log = logging.getLogger(__name__)


def check(version_id: UUID) -> None:
    """Check a version that waits, once, and move it to *usable* or *refused*; anything else is left alone."""
    token = _claim(version_id)
    if token is None:
        return
    version = Version.objects.whole().get(pk=version_id)
    steps = Steps(version, token)
    try:
        report = _open(version, steps) | {"steps": steps.taken}
    except (ReuseError, SpecError) as error:
        _finish(version, token, report={"steps": steps.taken}, refusal={"code": error.code, "message": error.message, "hint": error.hint})
    except (ArtifactMissing, ArtifactDamaged) as error:
        log.error("version %s: %s", version.pk, error)
        _finish(version, token, report={"steps": steps.taken}, refusal={"code": "artifact-damaged", "message": "The stored file is damaged.", "hint": "Offer it again."})
    except Exception:  # the edge of the process: the lease runs out and another attempt follows
        log.exception("the check of version %s failed unexpectedly", version.pk)
        _give_up_or_wait(version, token)
    else:
        _finish(version, token, report=report, card_html=cards.render(version.manifest["card"]))
    log.info("version %s: %s", version_id, Version.objects.filter(pk=version_id).values_list("status", flat=True).first())


def _claim(version_id: UUID) -> str | None:
    token = secrets.token_hex(16)
    # One UPDATE with the old state in its WHERE: of two workers, one wins.
    free = Version.objects.filter(Q(lease_until=None) | leases.lapsed(tasks.LEASE_S), pk=version_id, status=Version.Status.CHECKING, attempts__lt=settings.JOB_MAX_ATTEMPTS)
    return token if free.update(token=token, lease_until=leases.until(tasks.LEASE_S), attempts=F("attempts") + 1) else None


def give_up(version_id: UUID) -> None:
    """Refuse a version whose check took its worker down as often as may be; one that is checked again meanwhile is left alone."""
    held = Version.objects.whole().filter(leases.lapsed(tasks.LEASE_S), pk=version_id, status=Version.Status.CHECKING, attempts__gte=settings.JOB_MAX_ATTEMPTS).first()
    if held is not None:
        _finish(held, held.token, report=held.report, refusal={
            "code": "poison", "message": f"The check took its worker down {held.attempts} times and is not tried again.", "hint": "Look at the model: it may ask for more memory than a check has."})
        log.error("version %s is poison: %s checks ended with their worker", version_id, held.attempts)


class Steps:
    """The steps of a check; each is written to the version when it begins and when it ends, so that a page can follow."""

    def __init__(self, version: Version, token: str) -> None:
        self._row = Version.objects.filter(pk=version.pk, token=token, status=Version.Status.CHECKING)
        self.taken: list[dict[str, Any]] = []

    @contextmanager
    def step(self, words: str) -> Iterator[dict[str, Any]]:
        """One step; what it found may be put under `found`."""
        began, step = time.perf_counter(), {"words": words, "state": "running"}
        self.taken.append(step)
        self._write()
        try:
            yield step
        except BaseException:
            step["state"] = "failed"
            raise
        else:
            step["state"] = "done"
        finally:
            step["seconds"] = round(time.perf_counter() - began, 3)
            self._write()

    def _write(self) -> None:
        self._row.update(report={"steps": self.taken})


def _open(version: Version, steps: Steps) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="moorage-check-") as folder:
        model = Path(folder) / version.manifest["model"]["file"]
        specification = Path(folder) / "specification.json"
        with steps.step(gettext_noop("The files are those that were sent, by their SHA-256")):
            artifacts.copy(version.model_id, model)
            artifacts.copy(version.specification_id, specification)
        with steps.step(gettext_noop("The type, by the structure of the file")) as step:
            step["found"] = formats.identify(model, model.name)
        with steps.step(gettext_noop("Opened in the sandbox, and run on the points of its own specification")) as step:
            report = sandbox.shared().check(model, version.manifest, specification)
            step["found"] = f"{report['points']} answers, all finite and in shape"
        if version.statistics_id:
            published = Path(folder) / statistics.FILE
            with steps.step(gettext_noop("Its statistics fit its tensors")):
                artifacts.copy(version.statistics_id, published)
                report["statistics"] = statistics.check(published, {t["name"]: tuple(t["shape"]) for t in report["tensors"]})
        return report


def _finish(version: Version, token: str, *, report: dict | None = None, refusal: dict | None = None, card_html: str = "") -> None:
    status = Version.Status.REFUSED if refusal else Version.Status.USABLE
    with transaction.atomic():
        won = Version.objects.filter(pk=version.pk, token=token, status=Version.Status.CHECKING).update(
            status=status, refusal=refusal, report=report or {}, merge_family=(report or {}).get("merge_family", ""),
            card_html=card_html, card_made=cards.MADE if card_html else "", checked=timezone.now(), lease_until=None,
        )
        if won and not refusal:
            version.learnware.promote()
            transaction.on_commit(tasks.redraw_map)
        if won:
            _tell(version, refusal)


def _tell(version: Version, refusal: dict | None) -> None:
    said = gettext_lazy("{reference} was refused: {why}") if refusal else gettext_lazy("{reference} passed its checks and is found from now on.")
    said = format_lazy(said, reference=version.reference, why=(refusal or {}).get("message", ""))
    notices.tell(version.learnware.owner, "refused" if refusal else "usable", said, version.get_absolute_url())


def _give_up_or_wait(version: Version, token: str) -> None:
    if version.attempts >= settings.JOB_MAX_ATTEMPTS:
        _finish(version, token, refusal={"code": "check-failed", "message": f"The check failed {version.attempts} times for a reason of ours; it has been logged.",
                                         "hint": "Offer it again as a new version, or tell the operators."})
