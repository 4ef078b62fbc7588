"""Whatever is sent to the API, it answers: never with a 5xx. The long run is `python -m tests.soak.api_fuzz`."""

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from marketplace.accounts.services import create_token
from tests import fuzzing

pytestmark = pytest.mark.django_db
PARTS = 4


class Back(Exception):
    """Ends a request's transaction."""


@pytest.fixture
def asking(alice, monkeypatch):
    monkeypatch.setattr("rest_framework.throttling.SimpleRateThrottle.allow_request", lambda *args: True)
    return fuzzing.client(create_token(alice, "fuzz", ["read", "upload", "run", "admin"])[1])


def answered(deed):
    """An answer, with everything put back as it was; a broken one as text."""
    found = []
    try:
        with transaction.atomic():
            answer = deed()
            found.append(f"{answer.status_code} {getattr(answer, 'content', b'')[:200]!r}" if fuzzing.broke(answer) else "")
            raise Back
    except Back:
        return found[0]


@pytest.mark.parametrize("part", range(PARTS))
def test_no_hostile_string_in_any_place_breaks_it(asking, part):
    every = list(fuzzing.hostile())
    assert len(every) > 500 and {kind.split()[0] for kind, *_ in every} == set(fuzzing.HOSTILE)
    told = {f"{what}: {method} {path}?{query}": said for what, method, path, query, body in every[part::PARTS] if (said := answered(lambda: fuzzing.send(asking, method, path, query, body)))}  # noqa: B023
    assert told == {}


def test_what_schemathesis_makes_of_the_description_breaks_nothing(asking):
    operations = fuzzing.operations()
    assert len(operations) > 60
    told = {}

    @seed(12)
    @settings(max_examples=60, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(st.data(), st.sampled_from(operations))
    def fuzz(data, operation):
        for strategy in fuzzing.strategies(operation):
            case = data.draw(strategy)
            if said := answered(lambda: fuzzing.ask(asking, case)):  # noqa: B023
                told[f"{case.method} {case.formatted_path} {case.query} {case.body!r:.300}"] = said

    fuzz()
    assert told == {}


def test_an_answer_that_broke_is_noticed(asking, monkeypatch):
    monkeypatch.setattr("marketplace.accounts.notices.unread", lambda user: 1 / 0)
    assert answered(lambda: fuzzing.send(asking, "get", "/api/v1/notifications")).startswith("500")
