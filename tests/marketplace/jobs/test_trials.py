"""Rows before one model: who may ask, what is taken, that a trial has one effect, and that nothing of it stays."""

import io
from datetime import timedelta

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError
from django.utils import timezone

from marketplace.catalog import artifacts
from marketplace.catalog.models import AccessRequest, Artifact, Learnware, Version, WrongState
from marketplace.errors import Refused
from marketplace.jobs import tasks, trying, worker
from marketplace.jobs.models import ReuseJob, Trial
from specs import SpecError

ROWS = {"area": [0.5, None], "rooms": ["1", 2], "town": ["Kiel", None]}
CSV = b"id,area,rooms,town\n1,0.5,1,Kiel\n2,,2,\n3,-1,0,Bonn\n"
WHERE = {"owner": "alice", "name": "at-0", "number": "1.0.0"}


@pytest.fixture
def version(members):
    return members[0]


@pytest.fixture
def bells(monkeypatch):
    rung = []
    monkeypatch.setattr(tasks.run_trial, "apply_async", lambda args, **options: rung.append(args[0]))
    return rung


@pytest.fixture
def says(monkeypatch):
    """A sandbox in which every model finds each row a house by two to one."""
    asked = []

    class Sandbox:
        def predict(self, members, space, columns):
            asked.append((members[0], columns))
            return [np.tile([1 / 3, 2 / 3], (len(columns["area"]), 1))]

    monkeypatch.setattr(worker.sandbox, "shared", Sandbox)
    return asked


def file(content=CSV):
    return SimpleUploadedFile("new.csv", content)


def age(trial, **fields):
    Trial.objects.filter(pk=trial.pk).update(**{name: timezone.now() - timedelta(seconds=s) for name, s in fields.items()})


def ask(version, bob, **rows):
    return trying.try_version(version=version, user=bob, **rows or {"rows": ROWS})


def test_rows_are_tried_and_answered(bob, version, bells, says, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        trial = ask(version, bob)
    assert bells == [str(trial.pk)] and (trial.state, trial.count) == ("waiting", 2)
    assert trial.rows == {"area": [0.5, None], "rooms": [1.0, 2.0], "town": ["Kiel", None]}
    worker.run_trial(trial.pk)
    trial.refresh_from_db()
    assert (trial.state, trial.attempts, trial.rows, trial.output) == ("done", 1, None, None)
    assert trial.answer["labels"] == ["house", "house"] and trial.answer["rows"]["area"] == [0.5, None]
    assert trial.answer["likeliest"][0] == [["house", pytest.approx(2 / 3, abs=1e-5)], ["flat", pytest.approx(1 / 3, abs=1e-5)]]
    assert says[0][0]["name"] == "alice/at-0@1.0.0" and np.isnan(says[0][1]["area"][1]) and says[0][1]["town"].tolist() == ["Kiel", None]


def test_a_file_is_answered_with_a_file_and_deleted(bob, version, bells, says):
    trial = ask(version, bob, file=file())
    sent = trial.input_id
    assert artifacts.read(sent).endswith(CSV) and trial.count == 3
    worker.run_trial(trial.pk)
    trial.refresh_from_db()
    assert trial.state == "done" and trial.input is None and len(trial.answer["labels"]) == 3
    assert not Artifact.objects.filter(pk=sent).exists()
    with pytest.raises(artifacts.storage.ArtifactMissing):
        artifacts.read(sent)
    lines = artifacts.read(trial.output_id).decode().splitlines()
    assert lines[0] == "id,area,rooms,town,predicted_kind,probability_flat,probability_house"
    assert lines[2] == "2,,2,,house,0.333333,0.666667"


def test_equal_files_are_two_inputs_so_that_deleting_one_leaves_the_other(bob, version, bells, says):
    first, second = ask(version, bob, file=file()), ask(version, bob, file=file())
    assert first.input_id != second.input_id
    worker.run_trial(first.pk)
    worker.run_trial(second.pk)
    second.refresh_from_db()
    assert second.state == "done"


def test_the_page_gets_some_rows_of_a_long_file_and_the_download_all(bob, version, bells, says):
    content = b"area,rooms,town\n" + b"1,2,Kiel\n" * 500
    trial = ask(version, bob, file=file(content))
    worker.run_trial(trial.pk)
    trial.refresh_from_db()
    assert trial.count == 500 and len(trial.answer["labels"]) == trying.SHOWN
    assert artifacts.read(trial.output_id).count(b"\n") == 501


def test_a_visitor_may_try_rows_but_no_file(version, bells):
    from django.contrib.auth.models import AnonymousUser

    trial = trying.try_version(version=version, user=AnonymousUser(), visitor="a" * 64, rows=ROWS)
    assert trial.owner is None and list(Trial.objects.visible_to(AnonymousUser(), "a" * 64)) == [trial]
    assert not Trial.objects.visible_to(AnonymousUser(), "b" * 64) and not Trial.objects.visible_to(AnonymousUser(), "")
    with pytest.raises(Refused) as refused:
        trying.try_version(version=version, user=AnonymousUser(), visitor="a" * 64, file=file())
    assert (refused.value.code, refused.value.status) == ("sign-in-first", 403)


def test_a_trial_is_its_owners_business(bob, alice, charlie, version, bells):
    trial = ask(version, bob)
    assert list(Trial.objects.visible_to(bob)) == [trial]
    assert not Trial.objects.visible_to(alice) and not Trial.objects.visible_to(charlie)


def test_a_gated_learnware_runs_for_whom_its_owner_let_in(alice, bob, charlie, version):
    Learnware.objects.filter(pk=version.learnware_id).update(is_gated=True)
    AccessRequest.objects.create(learnware=version.learnware, user=bob, state="granted")
    assert trying.find_version(bob, **WHERE) == version and trying.find_version(alice, **WHERE) == version
    for stranger in (charlie, None):
        with pytest.raises(Refused) as refused:
            trying.find_version(stranger, **WHERE)
        assert refused.value.status == 403 and "alice/at-0@1.0.0" in refused.value.message


def test_a_private_learnware_is_not_there(alice, charlie, version):
    Learnware.objects.filter(pk=version.learnware_id).update(visibility="private")
    assert trying.find_version(alice, **WHERE) == version
    assert trying.find_version(charlie, **WHERE) is None and trying.find_version(None, **WHERE) is None


def test_what_is_not_usable_is_not_tried(bob, version):
    Version.objects.filter(pk=version.pk).update(status="withdrawn")
    with pytest.raises(Refused) as refused:
        trying.find_version(bob, **WHERE)
    assert refused.value.code == "not-usable"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "object"), ({}, "object"), ({"area": 1}, "list"), ({"area": []}, "1 to 100"), ({"area": [1], "rooms": [1, 2], "town": ["Kiel"]}, "same"),
        ({"area": [1]}, "rooms, town"), ({"area": [[1]], "rooms": [1], "town": ["Kiel"]}, "number, a text"), ({"area": ["big"], "rooms": [1], "town": ["Kiel"]}, "big"),
        ({"area": [1e300], "rooms": [float("inf")], "town": ["Kiel"]}, "finite"), ({"area": [1] * 101, "rooms": [1] * 101, "town": ["Kiel"] * 101}, "1 to 100"),
    ],
)
def test_rows_that_are_none_are_refused_with_what_is_wrong(bob, version, rows, words):
    with pytest.raises((Refused, SpecError)) as refused:
        ask(version, bob, rows=rows)
    assert words in refused.value.message and not Trial.objects.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"), (b"area,rooms,town\n", "1 to 50,000 rows"), (b"area,town,Rooms\n1,Kiel,2\n", "'rooms'"), (b"area;rooms;town\n1;2;Kiel\n", "missing"),
        (b"area,rooms,town\n1,many,Kiel\n", "line 2 has 'many'"), (b"\xff\xfe", "UTF-8"), (b"area,rooms,town\n1,2\n", "line 2 has 2"),
    ],
)
def test_a_file_that_is_none_is_refused_and_leaves_nothing(bob, version, content, words, settings, tmp_path):
    settings.STORAGE_URL = f"file://{tmp_path}"  # one of its own: a page of an earlier test may still be putting something into the other
    with pytest.raises(Refused) as refused:
        ask(version, bob, file=file(content))
    assert words in refused.value.message + refused.value.hint and "file" in refused.value.fields
    assert not Trial.objects.exists() and not list(artifacts.store().held())


def test_columns_that_are_missing_and_over_are_both_named(bob, version):
    with pytest.raises(Refused) as refused:
        ask(version, bob, file=file(b"surface,rooms,town\n1,2,Kiel\n"))
    assert "missing: 'area'" in refused.value.message and "'surface'" in refused.value.hint


def test_a_file_that_is_too_large_is_refused_before_it_is_read(bob, version, monkeypatch):
    monkeypatch.setattr(trying, "MAX_BYTES", 1 << 20)
    with pytest.raises(Refused) as refused:
        ask(version, bob, file=file(CSV + b" " * (1 << 20)))
    assert (refused.value.code, refused.value.status) == ("data-too-large", 413)


def test_few_trials_of_one_person_wait_at_a_time(bob, charlie, version, bells):
    for _ in range(trying.WAITING):
        ask(version, bob)
    with pytest.raises(Refused) as refused:
        ask(version, bob)
    assert (refused.value.code, refused.value.status) == ("too-many-trials", 429)
    assert ask(version, charlie)


def test_strangers_together_do_not_fill_the_queue(version, bells, monkeypatch, bob):
    monkeypatch.setattr(trying, "STRANGERS", 2)
    for who in "ab":
        trying.try_version(version=version, user=None, visitor=who * 64, rows=ROWS)
    with pytest.raises(Refused, match="Too many visitors"):
        trying.try_version(version=version, user=None, visitor="c" * 64, rows=ROWS)
    assert ask(version, bob)


def test_only_the_result_of_ones_own_job_predicts(bob, alice, job):
    for who, code in ((alice, "not-yours"), (bob, "no-result")):
        with pytest.raises(Refused) as refused:
            trying.predict(job=job, user=who, rows=ROWS)
        assert refused.value.code == code


def test_a_trial_is_of_one_thing(bob, version, job):
    for subject in ({}, {"version": version, "job": job}):
        with pytest.raises(IntegrityError):
            from django.db import transaction

            with transaction.atomic():
                Trial.objects.create(owner=bob, count=1, rows={}, **subject)


def test_of_two_workers_one_wins_and_the_one_given_up_for_dead_changes_nothing(bob, version, bells):
    trial = ask(version, bob)
    first, twin = trial.claim(), Trial.objects.get(pk=trial.pk)
    with pytest.raises(WrongState):
        twin.claim()
    age(trial, lease_until=1)
    second = twin.claim()
    with pytest.raises(WrongState):
        trial.finish(first, answer={}, output=None)
    with pytest.raises(WrongState):
        trial.heartbeat(first)
    twin.finish(second, answer={"kind": "value"}, output=None)
    assert (twin.state, twin.attempts) == ("done", 2)


def test_a_trial_whose_worker_was_killed_is_answered_on_its_second_attempt(bob, version, bells, says):
    trial = ask(version, bob, file=file())
    trial.claim()
    age(trial, lease_until=1)
    tasks.reap()
    trial.refresh_from_db()
    assert (trial.state, bells) == ("waiting", [str(trial.pk)])
    worker.run_trial(trial.pk)
    trial.refresh_from_db()
    assert (trial.state, trial.attempts) == ("done", 2)


def test_a_model_that_takes_its_workers_down_is_reported_and_its_input_deleted(bob, version, bells):
    trial = ask(version, bob, file=file())
    sent = trial.input_id
    for _ in range(3):
        trial.claim()
        age(trial, lease_until=1)
    bells.clear()
    tasks.reap()
    trial.refresh_from_db()
    assert (trial.state, trial.error["code"], bells) == ("failed", "poison", [])
    assert not Artifact.objects.filter(pk=sent).exists()


def test_a_trial_whose_bell_was_lost_gets_another(bob, version, bells):
    trial = ask(version, bob)
    tasks.reap()
    assert bells == []
    age(trial, rung=31)
    tasks.reap()
    tasks.reap()
    assert bells == [str(trial.pk)]


def test_a_trial_is_gone_after_a_day_with_what_was_sent(bob, version, bells):
    old, young = ask(version, bob, file=file()), ask(version, bob)
    sent = old.input_id
    age(old, expires=1)
    tasks.reap()
    assert list(Trial.objects.all()) == [young] and not Artifact.objects.filter(pk=sent).exists()


def test_the_models_refusal_is_told_and_what_nobody_foresaw_is_not(bob, version, bells, monkeypatch):
    from reuse import ReuseError

    def raises(error):
        class Sandbox:
            def predict(self, *args):
                raise error

        monkeypatch.setattr(worker.sandbox, "shared", Sandbox)
        trial = ask(version, bob)
        worker.run_trial(trial.pk)
        trial.refresh_from_db()
        return trial.state, trial.error["code"], trial.error["message"]

    assert raises(ReuseError("model-timeout", "It did not answer within 60 s.")) == ("failed", "model-timeout", "It did not answer within 60 s.")
    state, code, message = raises(RuntimeError("secret path /srv"))
    assert (state, code) == ("failed", "unexpected") and "secret" not in message


def test_a_trial_that_is_over_or_gone_is_left_alone(bob, version, bells, says):
    trial = ask(version, bob)
    worker.run_trial(trial.pk)
    worker.run_trial(trial.pk)
    trial.delete()
    worker.run_trial(trial.pk)
    assert len(says) == 1


def test_sample_rows_are_those_of_the_specification_and_differ(version):
    samples = trying.samples(version.specification_id)
    assert len(samples) == 3 and all(len(line) == trying.SAMPLES for line in samples)
    assert set(samples[2]) <= {"Bonn", "Kiel"} and len(set(zip(*samples, strict=True))) == trying.SAMPLES
    assert all(-6 < float(value) < 6 for value in samples[0])


def test_an_input_is_read_without_the_line_before_it(bob, version, bells):
    trial = ask(version, bob, file=file())
    assert isinstance(trying.open_input(trial.input_id), io.BytesIO) and trying.open_input(trial.input_id).read() == CSV


def test_deleting_twice_is_deleting_once(bob, version, bells):
    trial = ask(version, bob, file=file())
    sent = trial.input_id
    Trial.objects.filter(pk=trial.pk).update(input=None)
    trying.forget(sent)
    trying.forget(sent)
    trying.forget(None)


class TestApi:
    def test_rows_are_tried_and_the_answer_is_read(self, api, bob, version, bells, says):
        client = api(bob)
        answer = client.post("/api/v1/learnwares/alice/at-0/1.0.0/try", {"rows": ROWS}, format="json")
        assert answer.status_code == 202 and answer.data["state"] == "waiting" and answer.data["of"] == "alice/at-0@1.0.0"
        worker.run_trial(Trial.objects.get().pk)
        found = client.get(answer.headers["Location"]).json()
        assert found["state"] == "done" and found["answer"]["labels"] == ["house", "house"] and found["file"] is None
        assert client.get(answer.headers["Location"] + "/file").status_code == 409

    def test_a_files_answers_are_downloaded(self, api, bob, version, bells, says):
        trial = ask(version, bob, file=file())
        worker.run_trial(trial.pk)
        found = api(bob).get(f"/api/v1/trials/{trial.pk}").json()
        whole = api(bob).get(found["file"]["url"])
        assert whole.status_code == 200 and b"".join(whole.streaming_content).startswith(b"id,area,rooms,town,predicted_kind")

    def test_it_needs_a_token_that_may_run(self, api, bob, charlie, version):
        address = "/api/v1/learnwares/alice/at-0/1.0.0/try"
        assert api().post(address, {"rows": ROWS}, format="json").status_code == 401
        assert api(charlie, scopes=["read"]).post(address, {"rows": ROWS}, format="json").status_code == 403

    def test_gated_is_403_and_private_404_with_words(self, api, charlie, version, job):
        address = "/api/v1/learnwares/alice/at-0/1.0.0/try"
        Learnware.objects.update(is_gated=True)
        gated = api(charlie).post(address, {"rows": ROWS}, format="json")
        assert gated.status_code == 403 and gated.json()["code"] == "gated" and gated.json()["hint"]
        Learnware.objects.update(visibility="private")
        assert api(charlie).post(address, {"rows": ROWS}, format="json").status_code == 404

    def test_somebody_elses_trial_and_job_are_not_there(self, api, bob, charlie, version, bells, job):
        trial = ask(version, bob)
        assert api(charlie).get(f"/api/v1/trials/{trial.pk}").status_code == 404
        assert api(charlie).get(f"/api/v1/trials/{trial.pk}/file").status_code == 404
        assert api(charlie).post(f"/api/v1/jobs/{job.pk}/predict", {"file": file()}).status_code == 404

    @pytest.mark.parametrize("body", [{}, {"rows": 1}, {"rows": {"area": "x"}}, {"rows": {"area": [1]}}, []])
    def test_bad_bodies_get_words(self, api, bob, version, body):
        answer = api(bob).post("/api/v1/learnwares/alice/at-0/1.0.0/try", body, format="json")
        assert answer.status_code in (400, 422) and {"code", "message", "hint", "request_id"} <= set(answer.json())

    def test_a_job_without_a_result_says_so(self, api, bob, job):
        ReuseJob.objects.filter(pk=job.pk).update(status="failed")
        answer = api(bob).post(f"/api/v1/jobs/{job.pk}/predict", {"file": file()})
        assert answer.status_code == 409 and answer.json()["code"] == "no-result"

    def test_too_many_in_a_minute_are_told_how_long_to_wait(self, api, bob, version, bells, monkeypatch):
        from django.core.cache import cache

        cache.clear()
        monkeypatch.setattr(trying.TrialRate, "rate", "1/min")
        client, address = api(bob), "/api/v1/learnwares/alice/at-0/1.0.0/try"
        assert client.post(address, {"rows": ROWS}, format="json").status_code == 202
        second = client.post(address, {"rows": ROWS}, format="json")
        assert second.status_code == 429 and int(second.headers["Retry-After"]) > 0
        cache.clear()

    def test_behind_a_proxy_strangers_are_counted_by_the_address_that_it_saw(self, client, version, bells, monkeypatch, settings):
        from django.core.cache import cache

        cache.clear()
        settings.BEHIND_PROXY = True
        monkeypatch.setattr(trying.TrialRate, "rate", "1/min")

        def ask(forwarded):
            return client.post("/learnwares/alice/at-0/1.0.0/try/", {}, HTTP_X_FORWARDED_FOR=forwarded).status_code

        assert ask("203.0.113.5") != 429 and ask("203.0.113.6") != 429
        assert ask("198.51.100.9, 203.0.113.5") == 429, "what stands before it the client wrote itself"
        cache.clear()


def test_a_trial_whose_database_goes_away_waits_again(bob, version, bells, monkeypatch):
    from types import SimpleNamespace

    from django.db import OperationalError

    def cut(*_):
        raise OperationalError("terminating connection")

    monkeypatch.setattr(worker, "_tried", cut)
    monkeypatch.setattr(worker, "connection", SimpleNamespace(close=lambda: None))  # the test's own stays open
    trial = ask(version, bob)
    worker.run_trial(trial.pk)
    trial.refresh_from_db()
    assert trial.state == "running" and not trial.error
    Trial.objects.filter(pk=trial.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    tasks.reap()
    trial.refresh_from_db()
    assert trial.state == "waiting"
