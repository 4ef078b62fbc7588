import json
import re
from xml.etree import ElementTree

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from marketplace.handbook import reading, writing
from reuse import registry


@pytest.mark.parametrize("name", reading.names())
def test_every_page_opens_without_style_or_script_of_its_own(client, db, name):
    answer = client.get(reverse("docs") if name == "index" else reverse("docs-page", args=[name]))
    page = answer.content.decode()
    assert answer.status_code == 200 and page.count("<h1") == 1
    assert not re.search(r"\sstyle=|<script(?![^>]*\bsrc=)", page)


@pytest.mark.parametrize("name", reading.names())
def test_no_link_of_a_page_leads_nowhere(client, db, name):
    held = reading.page(name)
    for address, fragment in re.findall(r'href="(/docs/[^"#]*)(?:#([^"]*))?"', held.html):
        answer = client.get(address)
        assert answer.status_code == 200, f"docs/{name}.md leads to {address}"
        if fragment:
            assert f'id="{fragment}"' in answer.content.decode(), f"docs/{name}.md leads to {address}#{fragment}"
    for link in re.findall(r'href="(?!/|https?:|#|mailto:)([^"]+)"', held.html):
        assert (reading.FOLDER / f"{name}.md").parent.joinpath(link.partition("#")[0]).exists(), f"docs/{name}.md leads to {link}"


def test_every_file_of_docs_is_in_the_contents():
    there = {path.relative_to(reading.FOLDER).with_suffix("").as_posix() for path in reading.FOLDER.rglob("*.md")}
    assert {name for name in there if not name.startswith("decisions/")} == set(reading.names())


def test_a_page_or_a_picture_that_is_not_there(client, db):
    assert client.get("/docs/nothing/").status_code == 404
    assert client.get("/docs/../settings.py/").status_code == 404
    for name in ("nothing.svg", "index.md", "make.py"):
        assert client.get(f"/docs/images/{name}").status_code == 404


def test_pictures_are_shown(client, db):
    answer = client.get("/docs/images/how-it-works.svg")
    assert answer["Content-Type"] == "image/svg+xml" and b"<svg" in b"".join(answer.streaming_content)


@pytest.mark.parametrize("path", sorted((reading.FOLDER / "images").glob("*.svg")), ids=lambda path: path.name)
def test_every_drawing_is_one_that_a_browser_can_read(path):
    assert ElementTree.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_words_are_looked_for(client, db):
    page = client.get("/docs/", {"q": "breadcrumbs"}).content.decode()
    assert "Every method" in page
    assert "No page holds these words" in client.get("/docs/", {"q": "zzzz qqqq"}).content.decode()


def test_what_is_searched_for_is_shown_as_text(client, db):
    assert "<b>x" not in client.get("/docs/", {"q": "<b>x"}).content.decode()


def test_every_method_has_its_evidence():
    assert set(json.loads(writing.EVIDENCE.read_text())) == {method.address for method in registry.every()}


@pytest.mark.parametrize("name", ["methods", "rest"])
def test_pages_that_follow_the_code_are_up_to_date(name):
    assert (reading.FOLDER / f"{name}.md").read_text() == getattr(writing, name)(), "Run: python manage.py write_reference"


def test_the_whole_is_built_as_plain_files(tmp_path):
    call_command("build_docs", str(tmp_path / "site"), verbosity=0)
    page = (tmp_path / "site" / "matching" / "index.html").read_text()
    assert 'href="../static/moorage/moorage.css' in page and 'src="../images/reduction.svg"' in page and "../index.html" in page
    assert (tmp_path / "site" / "images" / "reduction.svg").is_file() and (tmp_path / "site" / "static" / "moorage" / "moorage.css").is_file()
    with pytest.raises(CommandError, match="not empty"):
        call_command("build_docs", str(tmp_path / "site"))
