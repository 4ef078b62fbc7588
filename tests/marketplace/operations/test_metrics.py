import pytest

pytestmark = pytest.mark.django_db


def test_requests_refusals_and_queues_are_told_to_this_machine(client, api):
    assert api().get("/api/v1/jobs").status_code == 401
    text = client.get("/metrics").content.decode()
    assert 'moorage_request_seconds_count{method="GET",route="api/v1/jobs",status="401"}' in text
    assert 'moorage_refusals_total{code="not-signed-in",status="401"}' in text
    assert 'moorage_queue_length{queue="jobs"} 0.0' in text
    assert "moorage_index_snapshot_oldest_seconds" in text


def test_an_address_that_somebody_makes_up_is_no_route_of_its_own(client):
    client.get("/no/such/page/at-all")
    text = client.get("/metrics").content.decode()
    assert "at-all" not in text and 'route="unknown"' in text


@pytest.mark.parametrize("headers", [{"REMOTE_ADDR": "192.0.2.7"}, {"HTTP_X_FORWARDED_FOR": "192.0.2.7"}, {"REMOTE_ADDR": ""}])
def test_others_do_not_learn_that_it_is_there(client, headers):
    assert client.get("/metrics", **headers).status_code == 404


def test_a_token_opens_it_from_anywhere_and_then_nothing_else_does(client, settings):
    settings.METRICS_TOKEN = "a-long-token"
    assert client.get("/metrics", REMOTE_ADDR="192.0.2.7", HTTP_AUTHORIZATION="Bearer a-long-token").status_code == 200
    assert client.get("/metrics", HTTP_AUTHORIZATION="Bearer another").status_code == 404
    assert client.get("/metrics").status_code == 404
