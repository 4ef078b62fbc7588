"""The page /match/ and the scripts that describe data in it: what is served, under which policy, and what there is without JavaScript."""

import re

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.urls import reverse

from marketplace.matching.describing import SHUT
from tests.marketplace.rows import homes, publish

pytestmark = pytest.mark.django_db
FOLDER = settings.BASE_DIR / "marketplace" / "static" / "moorage" / "describe"


@pytest.fixture
def page(client):
    return client.get(reverse("match")).content.decode()


def body(answer) -> str:
    return b"".join(answer.streaming_content).decode()


@pytest.mark.parametrize("name", ["worker.js", "worker-parquet.js"])
def test_a_worker_is_served_under_a_policy_that_shuts_it_off(client, name):
    answer = client.get(f"/static/moorage/describe/{name}")
    assert answer.status_code == 200 and answer["Content-Security-Policy"] == SHUT == "default-src 'none'; connect-src 'none'"
    assert "serve(read)" in body(answer) and "javascript" in answer["Content-Type"]
    assert client.head(f"/static/moorage/describe/{name}")["Content-Security-Policy"] == SHUT


def test_other_files_carry_no_such_policy(client):
    assert "Content-Security-Policy" not in client.get("/static/moorage/describe/page.js")


def test_every_module_that_a_script_imports_is_there():
    for path in FOLDER.glob("*.js"):
        for name in re.findall(r'^import .* from "([^"]+)"', path.read_text(), re.MULTILINE):
            assert (path.parent / name).resolve().is_file(), f"{path.name} imports {name}"
    assert not re.search(r"\bimport\(|importScripts|fetch\(|XMLHttpRequest|WebSocket", "".join(p.read_text() for p in FOLDER.glob("*.js") if p.name not in ("page.js", "market.js")))


def test_the_page_says_where_the_worker_and_the_spaces_are(page):
    for address in re.findall(r'data-(?:worker|parquet)="([^"]+)"', page):
        assert finders.find(address.removeprefix(settings.STATIC_URL))
    assert f'data-find="{reverse("api:spaces-find")}"' in page and f'data-spaces="{reverse("api:spaces")}"' in page


def test_without_javascript_the_page_says_so_and_shows_the_command(page):
    assert "needs JavaScript" in page and "moorage describe" in page
    assert re.search(r'<section[^>]*id="describe"[^>]*hidden', page)
    assert not re.search(r'id="describe-without"[^>]*hidden', page)


def test_the_file_of_data_is_in_no_form(page):
    form = page[page.index('<form id="find"'):]
    assert page.index('data-part="file"') < page.index('<form id="find"') and 'data-part="file"' not in form
    assert 'name="' not in re.search(r'<input[^>]*data-part="file"[^>]*>', page)[0]


def test_the_market_tells_a_page_the_space_by_names_and_types_alone(client):
    row = publish(homes())
    columns = [{"name": "area", "type": "numeric"}, {"name": "rooms", "type": "numeric"}, {"name": "town", "type": "categorical"}, {"name": "price", "type": "numeric"}]
    found = client.post(reverse("api:spaces-find"), {"columns": columns}, content_type="application/json").json()
    assert found["fits"][0]["id"] == row.pk and found["fits"][0]["extra"] == ["price"]
    assert client.get(f"{reverse('api:spaces')}/{row.pk}").json()["space"]["kernel"]["sigma"] == homes().sigma
