"""A market in which every state of every page exists. Runs inside `manage.py shell` of that market, through the services and the workers' own code.

The cast: Alice owns things, Bob is allowed, Charlie is not; Nell is new and has nothing, Tess has a second factor, Mona moderates, Root administers.
"""

import csv
import hashlib
import json
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyotp
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

import specs
from marketplace.accounts import devices, factors, mailing, notices, organisations
from marketplace.accounts import services as accounts
from marketplace.accounts.models import ApiToken, DeviceGrant, Membership, User
from marketplace.catalog import access, services, talking, uploading, worker
from marketplace.catalog.models import Comment, Learnware, Report, Version
from marketplace.jobs import methods, trying
from marketplace.jobs import services as jobs
from marketplace.jobs import worker as jobs_worker
from marketplace.jobs.models import ReuseJob, Trial
from marketplace.matching import services as matching
from marketplace.matching import wanting
from tests.journeys import models

LONG = "sizes-of-cell-nuclei-in-fine-needle-aspirates-of-breast-masses-of-the-year-1995"
STONES = ["carat", "cut", "color", "depth", "price"]


def build() -> dict[str, Any]:
    """Fill the market, and return what the shots need to find it: sessions, and the addresses that nobody can know beforehand."""
    methods.announce()
    people = _people()
    alice, bob, charlie, mona = (people[name] for name in ("alice", "bob", "charlie", "mona"))
    with tempfile.TemporaryDirectory() as folder:
        _catalog(alice, bob, charlie, mona, Path(folder))
    found = {"sessions": {name: _session(user) for name, user in people.items()}}
    found |= {"cookie": settings.SESSION_COOKIE_NAME, "space": models.space().id, "comment": str(Comment.objects.get(author=bob).pk), "report": Report.objects.first().pk}
    found |= _matches(bob)
    found |= _requests(bob, charlie)
    found |= _jobs(bob, charlie, found)
    found |= _trials(bob, found)
    found |= _accounts(alice, bob, charlie)
    found |= _drafts(alice)
    call_command("lay_out_map", verbosity=0)  # a worker's doing, every few minutes
    return found


# --- who ---------------------------------------------------------------------------------------


def _people() -> dict[str, User]:
    made = {name: User.objects.create_user(name, email=f"{name}@example.org", password=f"{name}-has-a-boat") for name in ("alice", "bob", "charlie", "nell", "tess", "mona")}
    User.objects.filter(username="mona").update(is_staff=True)
    made["mona"].refresh_from_db()
    made["root"] = User.objects.create_superuser("root", email="root@example.org", password="root-has-a-boat")
    User.objects.filter(username="alice").update(title="Alice Adler", about="Works on **pathology** at the harbour hospital.\n\n- nuclei\n- tissue", link="https://example.org/alice")
    made["alice"].refresh_from_db()
    factors.confirm(made["tess"], pyotp.TOTP(factors.begin(made["tess"])).now())
    made["tess"].refresh_from_db()
    return made


def _session(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


# --- what is offered ---------------------------------------------------------------------------


def _submit(owner: User, files: dict[str, Any], **options: Any) -> Version:
    name = files["model"].name
    return services.submit(owner=owner, manifest=files["manifest"], model=ContentFile(files["model"].read_bytes(), name=name), specification=files["specification"], **options)


def _offer(owner: User, files: dict[str, Any], **options: Any) -> Version:
    version = _submit(owner, files, **options)
    worker.check(version.pk)
    version.refresh_from_db()
    return version


def _nuclei(folder: Path, name: str, low: float, high: float, kind: str = "skops", **changes: Any) -> dict[str, Any]:
    return models.write(folder, name, models.part(low, high), kind, **changes)


def _catalog(alice: User, bob: User, charlie: User, mona: User, folder: Path) -> None:
    for name, low, high, kind in (("small", 0.0, 0.5, "skops"), ("middling", 0.3, 0.8, "safetensors"), ("large", 0.5, 1.0, "onnx"), ("tiny", 0.0, 0.3, "skops")):
        title = f"{name.capitalize()} nuclei of the breast"
        _offer(alice, _nuclei(folder, f"nuclei-{name}", low, high, kind, title=title, card=CARD.format(name=name, rows=len(models.part(low, high))), evaluation=EVALUATION))
    _offer(alice, _nuclei(folder, "nuclei-small", 0.0, 0.55, version="1.1.0", title="Small nuclei of the breast", card=CARD.format(name="small", rows=320), evaluation=EVALUATION))
    _offer(bob, _nuclei(folder, "nuclei-of-bob", 0.2, 0.7, "skops", title="Nuclei of Bob's clinic", licence="MIT"))
    _offer(bob, _nuclei(folder, "nuclei-tuned", 0.4, 0.9, "safetensors", title="Middling nuclei, tuned further", base={"learnware": "alice/nuclei-middling@1.0.0"}, licence="MIT"))
    _offer(alice, _nuclei(folder, LONG, 0.1, 0.4, title="Sizes of cell nuclei in fine-needle aspirates of breast masses, as they were measured in 1995 in Wisconsin, and mended since",
                          licence="CC-BY-4.0"))
    _submit(alice, _nuclei(folder, "nuclei-waiting", 0.1, 0.9))
    liar = {"kind": "classes", "target": models.TARGET, "classes": ["a", "b", "c"]}
    assert _offer(alice, _nuclei(folder, "nuclei-refused", 0, 0.5, "safetensors", output=liar)).status == "refused"
    gone = _offer(alice, _nuclei(folder, "nuclei-withdrawn", 0.2, 0.6))
    services.withdraw(gone, alice)
    hidden = _offer(alice, _nuclei(folder, "nuclei-private", 0.3, 0.6), visibility="private").learnware
    access.share(hidden, alice, "bob")
    gated = _offer(alice, _nuclei(folder, "nuclei-gated", 0.4, 0.7, title="Nuclei under a key")).learnware
    access.change(gated, alice, visibility="public", gated=True)
    access.ask(gated, bob, "We would measure it on the aspirates of our clinic, and tell you how it does.")
    access.decide(access.ask(gated, charlie, "Let me in."), alice, "denied")
    for low, high, name in ((0.0, 0.5, "chips"), (0.4, 0.8, "middling"), (0.7, 1.2, "carat")):
        _offer(bob, _stones(folder, name, low, high))
    _offer(charlie, _lonely(folder))
    services.withdraw(Version.objects.get(learnware__name="lonely"), charlie)
    small = Learnware.objects.get(owner=alice, name="nuclei-small")
    for user in (bob, charlie, mona):
        talking.like(small, user)
    talking.say(small, bob, "Held up on **our** aspirates: 94 % on 120 rows. It is unsure above a radius of 15.")
    hide = talking.say(small, charlie, "Buy cheap microscopes at example.org")
    talking.say(small, alice, "Thank you. Version `1.1.0` has seen larger nuclei:\n\n- more rows\n- the same columns")
    talking.complain(small, bob, reason="spam", words="Advertising.", comment=hide)
    talking.complain(Learnware.objects.get(name="nuclei-withdrawn"), bob, reason="wrong", words="It swaps the classes.")
    talking.hide(hide, alice)
    own = Learnware.objects.get(owner=alice, name="nuclei-large")
    talking.write_card(own, alice, CARD.format(name="large", rows=284) + "\n\nWritten anew by its owner.")


CARD = """Tells benign from malignant nuclei, for {name} ones.

## Trained on

{rows} rows of the breast cancer data of Wisconsin (diagnostic), which scikit-learn ships.

| column | unit |
| --- | --- |
| radius | µm |
| area | µm² |

## Limits

It never saw other sizes. `predict_proba` is *not* calibrated there.

```
moorage download alice/nuclei-small
```
"""
EVALUATION = {"metric": "accuracy", "value": 0.94, "unit": None, "rows": 57, "trained_on": 228}


def _described(folder: Path, name: str, model: Any, frame: pd.DataFrame, target: str, space: Any, **words: Any) -> dict[str, Any]:
    from moorage import offering

    place = folder / name
    place.mkdir()
    offering.prepare(None, place, model, frame.drop(columns=target), frame[target], name=name, version="1.0.0", target=target, space=space, base=None, **words)
    manifest = json.loads((place / "learnware.json").read_text())
    return {"manifest": json.dumps(manifest).encode(), "specification": (place / "specification.json").read_bytes(), "model": place / manifest["model"]["file"]}


def stones() -> pd.DataFrame:
    from marketplace.demo import data

    return data.table("ggplot2", "diamonds")[STONES].head(4000)


def space_of_stones() -> specs.Space:
    return specs.Space.from_table(stones().head(500), name="Diamonds: weight, cut, colour", target="price", units={"carat": "carat", "depth": "%"})


def _stones(folder: Path, name: str, low: float, high: float) -> dict[str, Any]:
    from sklearn.tree import DecisionTreeRegressor

    from marketplace.demo import fitting

    frame = stones()
    frame = frame[(frame.carat >= low) & (frame.carat < high)].head(500).reset_index(drop=True)
    model = fitting.pipeline(lambda: DecisionTreeRegressor(max_depth=6, random_state=0))(frame, frame["price"].to_numpy(float), space_of_stones(), None)
    return _described(folder, f"stones-{name}", model, frame, "price", space_of_stones(), licence="MIT", title=f"Price of diamonds, {name}", card="What a stone fetches.",
                      unit="USD", task="regression", classes=None, takes="columns")


def tides() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame({"wind": rng.normal(size=80), "moon": rng.normal(size=80), "level": rng.normal(size=80)})


def space_of_tides() -> specs.Space:
    return specs.Space.from_table(tides(), name="Tides of one harbour", target="level")


def _lonely(folder: Path) -> dict[str, Any]:
    """The only learnware of its space."""
    from sklearn.linear_model import LinearRegression

    frame = tides()
    model = LinearRegression().fit(frame[["wind", "moon"]], frame["level"])
    return _described(folder, "lonely", model, frame, "level", space_of_tides(), licence="MIT", title="Level of the tide", card="", unit="cm", task="regression",
                      classes=None, takes="columns")


# --- what is searched and asked for ------------------------------------------------------------


def _bytes(frame: pd.DataFrame, space: specs.Space, **words: str) -> bytes:
    return specs.Specification(space, specs.describe(frame, space, points=40), {"name": "", "description": "", **words}).to_bytes()


def _matches(bob: User) -> dict[str, str]:
    many = _bytes(models.part(0.05, 0.95), models.space(), task="classification", target=models.TARGET, name="aspirates of our clinic")
    near = _bytes(models.part(0.3, 0.8).tail(120), models.space(), task="classification", target=models.TARGET)
    far = models.part(0.9, 1.0)
    far[far.columns[:-1]] *= 4.0
    gems = stones().tail(1500)
    found = {
        "match_many": matching.match(user=bob, specification=many),
        "match_near": matching.match(user=None, specification=near, filters={"target": models.TARGET}),
        "match_far": matching.match(user=bob, specification=_bytes(far, models.space())),
        "match_none": matching.match(user=bob, specification=_bytes(tides(), space_of_tides(), target="level", name="tides at the pier")),
        "match_values": matching.match(user=bob, specification=_bytes(gems, space_of_stones(), task="regression", target="price", name="stones of an estate")),
    }
    return {name: str(match.pk) for name, match in found.items()}


def _requests(bob: User, charlie: User) -> dict[str, str]:
    open_ = wanting.ask_for(owner=bob, title="Nuclei of every size, for a clinic in Kiel", task="classification", target=models.TARGET, is_anonymous=True,
                            words="Aspirates of 2024, measured with the same microscope.", specification=_bytes(models.part(0.05, 0.95), models.space()))
    far = wanting.ask_for(owner=charlie, title="The level of the tide at a pier of which nobody has offered any model yet", task="regression", target="level", unit="cm",
                          specification=_bytes(tides(), space_of_tides()))
    met = wanting.ask_for(owner=bob, title="Small nuclei", task="classification", target=models.TARGET, specification=_bytes(models.part(0.0, 0.4), models.space()))
    wanting.close(met, bob, Version.objects.get(learnware__name="nuclei-small", number="1.1.0"))
    closed = wanting.ask_for(owner=charlie, title="Diamonds above one carat", task="regression", target="price", unit="USD", specification=_bytes(stones().tail(300), space_of_stones()))
    wanting.close(closed, charlie)
    return {"request_open": str(open_.pk), "request_far": str(far.pk), "request_met": str(met.pk), "request_closed": str(closed.pk)}


# --- what is reused ----------------------------------------------------------------------------


def _csv(frame: pd.DataFrame, name: str = "labelled.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, frame.to_csv(index=False, quoting=csv.QUOTE_MINIMAL).encode(), "text/csv")


def _match(found: dict[str, Any], name: str) -> Any:
    return matching.Match.objects.get(pk=found[name])


def _jobs(bob: User, charlie: User, found: dict[str, Any]) -> dict[str, str]:
    many, values = _match(found, "match_many"), _match(found, "match_values")
    classes = jobs.request_reuse(owner=bob, match=many, method="auto", target=models.TARGET, data=_csv(models.part(0.05, 0.95).sample(40, random_state=1)))
    numbers = jobs.request_reuse(owner=bob, match=values, method="auto", target="price", data=_csv(stones().tail(1500).sample(60, random_state=1)))
    blind = jobs.request_reuse(owner=bob, match=many, method="ensemble/routed")
    for job in (classes, numbers, blind):
        jobs_worker.run(job.pk)
        job.refresh_from_db()
        assert job.status == "done", job.error
    running = jobs.request_reuse(owner=bob, match=many, method="auto", target=models.TARGET, data=_csv(models.part(0.05, 0.95).sample(40, random_state=2)))
    token = running.claim()
    running.moved(token, [{"state": "answered", "rows": 40, "of": 40, "loading_s": 0.2, "answering_s": 0.1}, {"state": "answering", "rows": 20, "of": 40, "loading_s": 0.1}]
                  + [{"state": "fetching"}] * (running.members.count() - 2))
    running.report(token, stage="predicting", progress=0.35, message=f"Asking {running.members.count()} models about your rows")
    # No worker runs beside the pages, so nobody takes it over; the end is foreseen and the lease long.
    later = timezone.now() + timedelta(hours=6)
    ReuseJob.objects.filter(pk=running.pk).update(started=timezone.now() - timedelta(seconds=20), ends=later)
    queued = jobs.request_reuse(owner=bob, match=many, method="ensemble/mean")
    cancelled = jobs.request_reuse(owner=bob, match=many, method="ensemble/vote")
    jobs.cancel(cancelled, bob)
    failed = jobs.request_reuse(owner=bob, match=values, method="ensemble/mean")
    failed.fail(failed.claim(), {"code": "out-of-time", "message": "The job ran longer than the hour that one may take.", "hint": "Take fewer members, or fewer rows."})
    damaged = jobs.request_reuse(owner=bob, match=many, method="ensemble/mean")
    # A row that no code of ours writes: what a page does with something unforeseen.
    ReuseJob.objects.filter(pk=damaged.pk).update(owner=charlie, status="done", evidence=[1], started=timezone.now(), ended=timezone.now())
    names = {"classes": classes, "values": numbers, "blind": blind, "running": running, "queued": queued, "cancelled": cancelled, "failed": failed, "damaged": damaged}
    return {f"job_{name}": str(job.pk) for name, job in names.items()}


def _trials(bob: User, found: dict[str, Any]) -> dict[str, str]:
    version = Version.objects.get(learnware__name="nuclei-small", number="1.1.0")
    rows = {name: values[:5] for name, values in models.everything().drop(columns=models.TARGET).to_dict("list").items()}
    done = trying.try_version(version=version, user=bob, rows=rows)
    of_values = trying.predict(job=ReuseJob.objects.get(pk=found["job_values"]), user=bob, file=_csv(stones().tail(40).drop(columns="price"), "new.csv"))
    failed, waiting = (trying.try_version(version=version, user=bob, rows=rows) for _ in range(2))
    for trial in (done, of_values):
        jobs_worker.run_trial(trial.pk)
        trial.refresh_from_db()
        assert trial.state == Trial.State.DONE, trial.error
    failed.fail(failed.claim(), {"code": "out-of-time", "message": "The model did not answer within 60 seconds.", "hint": "Send fewer rows."})
    return {"trial_done": str(done.pk), "trial_file": str(of_values.pk), "trial_failed": str(failed.pk), "trial_waiting": str(waiting.pk)}


# --- accounts, and what is on its way ----------------------------------------------------------


def _accounts(alice: User, bob: User, charlie: User) -> dict[str, Any]:
    lab = organisations.create(by=alice, username="harbour-lab", title="Harbour laboratory", about="Pathology of the harbour hospital.", link="https://example.org")
    Membership.objects.create(organisation=lab, user=bob, role="writer")
    Membership.objects.create(organisation=lab, user=charlie, role="reader")
    for name, role in (("nell", "writer"), ("tess", "reader")):
        organisations.invite(lab, alice, username=name, role=role)
    accounts.create_token(alice, "laptop", ["read", "upload", "run"])
    accounts.create_token(alice, "continuous integration of the laboratory, which renews it by itself", ["read"], 1)
    ApiToken.objects.filter(user=alice, name__startswith="continuous").update(expiry=timezone.now() - timedelta(days=1))
    notices.tell(alice, "access-asked", "bob asks for access to alice/nuclei-gated.", "/learnwares/alice/nuclei-gated/access/")
    waiting, _ = devices.ask("moorage on laptop-of-alice", ["read", "upload"])
    used, _ = devices.ask("moorage on a tablet", ["read"])
    devices.decide(bob, used.user_code, allow=True)
    DeviceGrant.objects.filter(pk__in=[waiting.pk, used.pk]).update(expires=timezone.now() + timedelta(days=1))
    User.objects.filter(pk=charlie.pk).update(email_confirmed=timezone.now())
    for user in (bob, charlie):  # signing in changes what a link is made of
        user.refresh_from_db()
    links = {
        "confirm_link": reverse("email-confirm", args=[mailing.uid(bob), mailing.confirming.make_token(bob)]),
        "reset_link": reverse("password-reset-set", args=[mailing.uid(charlie), mailing.resetting.make_token(charlie)]),
    }
    return links | {"token": ApiToken.objects.filter(user=alice, name="laptop").get().token_key, "device_code": waiting.user_code, "device_used": used.user_code, "notice": str(alice.notifications.first().pk)}


def _drafts(alice: User) -> dict[str, str]:
    content = b"x" * 1_000
    upload = uploading.begin(owner=alice, size=2_000, name="model.safetensors", sha256=hashlib.sha256(content * 2).hexdigest())
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        uploading.append(upload, offset=0, stream=file)
    lonely = uploading.begin(owner=alice, size=5_000_000, name="a-checkpoint-that-was-broken-off.safetensors")
    draft = uploading.save_draft(author=alice, document={"fields": {"name": "nuclei-next", "title": "Nuclei of next year", "licence": "MIT", "task": "classification"}}, uploads=[str(upload.pk)])
    return {"draft": str(draft.pk), "upload": str(lonely.pk)}
