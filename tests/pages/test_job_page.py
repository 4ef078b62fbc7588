"""The pages of jobs and of rows before a model: in every state, for whom they are meant, with the words that help."""

import json

import pytest
from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone

from marketplace.accounts.models import Membership, User
from marketplace.catalog.models import Artifact, Learnware
from marketplace.jobs import tasks
from marketplace.jobs.models import JobMember, ReuseJob, Trial
from marketplace.matching import index
from tests.marketplace.rows import homes, offered, publish, table

BOARD = [{"method": "ensemble/mean", "score": 0.9, "low": 0.8, "high": 0.95, "loss": 0.1, "seconds": 0.2, "chosen": True, "note": ""}]
CLASSES = {
    "metric": "accuracy", "higher_is_better": True, "rows": 40, "folds": 5, "leaderboard": BOARD, "rule": "The simplest.", "not_measured": "Slightly flattered.", "warnings": [],
    "left_out": {"finetune/bang": "its condition does not hold"}, "disagreement": 0.2, "cost": {"seconds": 3.0, "members": 2, "device": "cpu"},
    "pairwise": {"members": ["alice/at-0@1.0.0", "alice/at-2@1.0.0"], "matrix": [[0, 0.2], [0.2, 0]], "kind": "share"},
    "calibration": {"error": 0.1, "temperature": 1.0, "bins": [{"from": 0.9, "to": 1.0, "sure": 0.95, "right": 0.9, "rows": 40}]},
    "details": {"classes": [{"class": "flat", "rows": 20, "found": 0.9, "low": 0.7, "high": 0.97, "right": None}], "confusion": {"classes": ["flat", "house"], "counts": [[18, 2], [0, 20]]}},
}
VALUES = CLASSES | {
    "metric": "rmse", "higher_is_better": False, "calibration": None,
    "details": {"pairs": [[1.0, 2.0], [3.0, 2.5]], "residuals": {"mean": 0.1, "mean_absolute": 0.5, "r2": 0.8, "quantiles": {"5": -1.0, "50": 0.0, "95": 1.0}}},
}
BLIND = {"metric": "accuracy", "higher_is_better": True, "rows": 0, "leaderboard": [], "warnings": ["No labelled rows came."], "coverage": 0.8, "disagreement": 0.4, "not_measured": "Everything.", "rule": "Routed."}


@pytest.fixture(autouse=True)
def fresh(db):
    cache.clear()
    index.forget()


@pytest.fixture
def versions(alice):
    import numpy as np

    rng = np.random.default_rng(3)
    return [offered(alice, f"at-{shift}", homes(), table(rng, shift)) for shift in (0, 2)]


@pytest.fixture
def job(bob, versions):
    row = ReuseJob.objects.create(owner=bob, space=publish(homes()), method="auto", target="kind")
    JobMember.objects.bulk_create(JobMember(job=row, version=version, weight=0.5, position=i) for i, version in enumerate(versions))
    return row


@pytest.fixture
def page(client, bob):
    client.force_login(bob)

    def read(address, status=200, **options):
        answer = client.get(address, **options)
        assert answer.status_code == status, answer.content
        words = answer.content.decode()
        assert "{%" not in words and "style=" not in words
        return words

    return read


def done(job, evidence):
    result = Artifact.objects.get_or_create(sha256="a" * 64, defaults={"size": 10})[0]
    now = timezone.now()
    ReuseJob.objects.filter(pk=job.pk).update(status="done", stage="done", started=now, ended=now, result=result, evidence=evidence, attempts=1, lineage={"method": "ensemble/mean", "members": [], "licence": "MIT"})


def test_a_running_job_shows_its_members_as_lanes(page, job):
    assert "Waiting for a worker" in page(job.get_absolute_url())
    token = job.claim()
    job.moved(token, [{"state": "answering", "rows": 20, "of": 50, "loading_s": 0.1}, {"state": "fetching"}])
    job.report(token, stage="predicting", progress=0.05, message="Asking 2 models")
    words = page(job.get_absolute_url() + "status/", headers={"HX-Request": "true"})
    assert "20 of 50" in words and "is fetched …" in words and "Asking 2 models" in words and "every 1s, look" in words and "left" not in words


def test_a_job_that_was_tried_before_says_why(page, job):
    token = job.claim()
    ReuseJob.objects.filter(pk=job.pk).update(attempts=2, attempt_log=[
        {"attempt": 1, "started": "2026-01-01T00:00:00+00:00", "ended": "2026-01-01T00:00:12+00:00", "reason": "worker lost"},
        {"attempt": 2, "started": "2026-01-01T00:01:00+00:00", "ended": None, "reason": "", "from_epoch": 40},
    ])
    assert token
    words = page(job.get_absolute_url())
    assert "the worker was lost after 12 s" in words and "went on from the checkpoint at epoch 40" in words


def test_classes_are_shown_with_what_was_taken_for_what(page, job):
    done(job, CLASSES)
    words = page(job.get_absolute_url())
    for said in ("What was taken for what", "Where the members differ", "How far its probabilities can be believed", "its condition does not hold", "on cpu", "Predict with it, here", "Your own rows"):
        assert said in words, said


def test_values_are_shown_with_their_residuals(page, job):
    done(job, VALUES)
    words = page(job.get_absolute_url())
    assert "predicted − actual" in words and "1 too high, 1 too low" in words and "How far its probabilities" not in words


def test_without_labels_it_says_what_was_not_measured(page, job):
    done(job, BLIND)
    words = page(job.get_absolute_url())
    assert "What is known without labels" in words and "Everything." in words and "Add labelled rows" in words


def test_failed_and_cancelled_jobs_say_why_and_what_next(page, job, client):
    job.claim()
    ReuseJob.objects.filter(pk=job.pk).update(status="failed", error={"code": "diverged", "message": "The loss grew.", "hint": "Take a lower rate."})
    words = page(job.get_absolute_url())
    assert "The loss grew." in words and "Take a lower rate." in words and "Again with other settings" in words
    ReuseJob.objects.filter(pk=job.pk).update(status="cancelled", error=None)
    assert "You cancelled this job" in page(job.get_absolute_url())


def test_the_list_is_narrowed_and_has_an_empty_state(page, job):
    done(job, CLASSES)
    words = page(reverse("jobs"))
    assert "0.9" in words and "Again" in words and "done (1)" in words
    assert "No job passes" in page(reverse("jobs") + "?state=failed")
    ReuseJob.objects.all().delete()
    assert "No jobs yet" in page(reverse("jobs"))


def test_a_job_again_keeps_its_rows(page, client, job, bob):
    from marketplace.catalog import artifacts

    data = b"area,rooms,town,kind\n" + b"1,2,Kiel,flat\n2,1,Bonn,house\n" * 5
    ReuseJob.objects.filter(pk=job.pk).update(status="failed", data=artifacts.row(artifacts.put(data)))
    assert "The labelled rows of the first job are used" in page(reverse("job-again", args=[job.pk]))
    answer = client.post(reverse("job-again", args=[job.pk]), {"method": "ensemble/mean", "target": "kind", "params": ""})
    assert answer.status_code == 302
    made = ReuseJob.objects.get(method="ensemble/mean")
    assert answer.url == made.get_absolute_url() and artifacts.read(made.data_id) == data and made.members.count() == 2
    refused = client.post(reverse("job-again", args=[job.pk]), {"method": "ensemble/mean", "target": "no such"})
    assert refused.status_code == 422 and "no such" in refused.content.decode()


def test_a_result_is_offered_in_the_name_of_an_organisation(page, client, bob, job, monkeypatch):
    from marketplace.jobs import services

    harbour = User.objects.create(username="harbour", kind=User.Kind.ORGANISATION)
    done(job, CLASSES)
    assert "In the name of" not in page(job.get_absolute_url())
    Membership.objects.create(organisation=harbour, user=bob, role="writer")
    assert "In the name of" in page(job.get_absolute_url())
    given = {}

    def offer(found, user, **asked):
        given.update(asked)
        found.offered.add(found.members.first().version)
        return found.members.first().version

    monkeypatch.setattr(services, "offer", offer)
    answer = client.post(reverse("job-offer", args=[job.pk]), {"name": "together", "version": "1.0.0", "owner": "harbour", "visibility": "private", "title": "", "card": ""})
    assert answer.status_code == 302, (answer.context["offer_form"].errors, answer.context["refusal"])
    assert (given["owner"], given["visibility"]) == ("harbour", "private")
    assert "Offered as" in page(job.get_absolute_url()) and "checks passed" in page(job.get_absolute_url())
    stranger = client.post(reverse("job-offer", args=[job.pk]), {"name": "together", "version": "1.0.0", "owner": "alice", "visibility": "public"})
    assert stranger.status_code == 422


class TestTrying:
    @pytest.fixture(autouse=True)
    def rung(self, monkeypatch):
        monkeypatch.setattr(tasks.run_trial, "apply_async", lambda args, **options: None)

    @pytest.fixture
    def address(self, versions):
        return reverse("try-version", args=["alice", "at-0", "1.0.0"])

    def test_a_visitor_tries_sample_rows_and_only_they_read_the_answer(self, client, address):
        words = client.get(address).content.decode()
        assert "Try it on 5 sample rows" in words and "<select" in words and "Sign in</a> to send rows" in words
        answer = client.post(address, {"cell-0-0": "1.5", "cell-2-0": ""})
        trial = Trial.objects.get()
        assert answer.status_code == 302 and trial.rows["area"][0] == 1.5 and trial.rows["town"][0] is None and trial.owner is None and len(trial.visitor) == 64
        assert "Waiting for a worker" in client.get(answer.url).content.decode()
        assert type(client)().get(answer.url).status_code == 404

    def test_htmx_gets_the_part_alone(self, client, address):
        part = client.post(address, {}, headers={"HX-Request": "true"}).content.decode()
        assert "Waiting for a worker" in part and "<html" not in part
        wrong = client.post(address, {"cell-0-0": "wide"}, headers={"HX-Request": "true"})
        assert wrong.status_code == 200 and "wide" in wrong.content.decode() and "were not taken" in wrong.content.decode()

    def test_what_was_typed_stays_when_it_is_refused(self, client, address):
        answer = client.post(address, {"cell-0-0": "wide", "cell-1-0": "7.25"})
        assert answer.status_code == 422 and 'value="wide"' in answer.content.decode() and 'value="7.25"' in answer.content.decode()

    def test_a_file_needs_an_account_and_is_checked_at_the_door(self, client, bob, address):
        from django.core.files.uploadedfile import SimpleUploadedFile

        def send(content):
            return client.post(address, {"with_file": "1", "file": SimpleUploadedFile("r.csv", content)})

        assert "signed in" in send(b"area,rooms,town\n1,2,Kiel\n").content.decode()
        client.force_login(bob)
        assert "&#x27;area&#x27;" in send(b"surface,rooms,town\n1,2,Kiel\n").content.decode()
        assert "Choose a CSV file" in client.post(address, {"with_file": "1"}).content.decode()
        assert send(b"area,rooms,town\n1,2,Kiel\n").status_code == 302

    def test_answers_are_a_table_with_a_download(self, client, bob, address, versions):
        from marketplace.catalog import artifacts

        client.force_login(bob)
        answer = {"target": "kind", "kind": "classes", "unit": "", "classes": ["flat", "house"], "rows": {"area": [1.0], "rooms": [None], "town": ["Kiel"]}, "labels": ["house"],
                  "likeliest": [[["house", 0.9], ["flat", 0.1]]]}
        trial = Trial.objects.create(owner=bob, version=versions[0], count=300, state="done", answer=answer, output=artifacts.row(artifacts.put(b"area\n1\n")))
        words = client.get(trial.get_absolute_url()).content.decode()
        assert "All 300 rows as CSV" in words and "house" in words and "90 %" in words and "not known" in words and "The first 1 of 300 rows" in words
        assert b"".join(client.get(trial.get_absolute_url() + "file/").streaming_content) == b"area\n1\n"
        Trial.objects.filter(pk=trial.pk).update(answer={"target": "price", "kind": "value", "unit": "EUR", "classes": [], "rows": {"area": [1.0]}, "values": [12345.0]}, output=None)
        assert "in EUR" in client.get(trial.get_absolute_url()).content.decode()
        assert client.get(trial.get_absolute_url() + "file/").status_code == 404
        Trial.objects.filter(pk=trial.pk).update(state="failed", error={"code": "model-timeout", "message": "Too slow.", "hint": ""}, answer=None)
        assert "Too slow." in client.get(trial.get_absolute_url()).content.decode()

    def test_gated_says_how_to_ask_and_private_is_not_there(self, client, charlie, address):
        Learnware.objects.update(is_gated=True)
        for _ in range(2):
            answer = client.get(address)
            assert answer.status_code == 403 and "Ask for access" in answer.content.decode()
            assert client.post(address, {}).status_code == 403
            client.force_login(charlie)
        Learnware.objects.update(visibility="private")
        assert client.get(address).status_code == 404 and client.post(address, {}).status_code == 404

    def test_too_many_in_a_minute_get_words(self, client, address, monkeypatch):
        from marketplace.jobs import trying

        monkeypatch.setattr(trying.TrialRate, "rate", "1/min")
        assert client.post(address, {}).status_code == 302
        assert client.post(address, {}).status_code == 429

    def test_only_ones_own_job_predicts(self, client, charlie, bob, job):
        done(job, CLASSES)
        client.force_login(charlie)
        assert client.post(reverse("predict-job", args=[job.pk]), {}).status_code == 404
        client.force_login(bob)
        assert client.post(reverse("predict-job", args=[job.pk]), {}).status_code == 302
        assert Trial.objects.get().job == job and json.dumps(Trial.objects.get().rows)
