"""Cards: Markdown of strangers, as HTML that asks nobody, runs nothing and keeps the page's order of headings."""

import base64
import struct
import zlib

import numpy as np
import pytest

from marketplace.catalog import cards, talking
from marketplace.catalog.models import Version
from marketplace.errors import Refused
from tests.marketplace.rows import homes, offered, table


def png(width: int = 2, height: int = 2) -> str:
    """The address of a grey PNG of these sides."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\x80" * width for _ in range(height)) if width * height < 10_000 else b""
    data = cards.PNG + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return cards.PICTURE + base64.b64encode(data).decode()


def test_a_card_becomes_html_with_headings_below_the_pages_own():
    html = cards.render("# One\n\n## Two\n\nSome *words* and `code`.\n\n| a | b |\n| - | - |\n| 1 | 2 |\n")
    assert "<h2>One</h2>" in html and "<h3>Two</h3>" in html and "<h1" not in html
    assert "<em>words</em>" in html and "<td>1</td>" in html


def test_the_deepest_heading_stays_one():
    assert "<h6>Six</h6>" in cards.render("###### Six") and "<h6>Six</h6>" in cards.comment("###### Six")


def test_headings_of_a_comment_stand_below_the_discussion():
    assert "<h4>One</h4>" in cards.comment("# One")


def test_links_lead_out_without_credit():
    html = cards.render("[paper](https://example.org/a)")
    assert 'href="https://example.org/a"' in html and 'rel="nofollow noopener noreferrer ugc"' in html


@pytest.mark.parametrize("words", [
    "<script>alert(1)</script>", "[a](javascript:alert(1))", "[a](data:text/html;base64,AAAA)", "<img src=x onerror=alert(1)>", "[a](vbscript:x)",
    "![a](https://example.org/a.png)", "![a](//example.org/a.png)", "![a](/logo.svg)", "![a](data:image/svg+xml;base64,AAAA)", "[a](data:image/png;base64,AAAA)",
    '<a href="https://example.org" style="color:red">a</a>', "<style>*{}</style>", '<iframe src="https://example.org"></iframe>',
])
def test_nothing_runs_and_nothing_is_fetched(words):
    html = cards.render(words)
    assert not any(f"<{tag}" in html for tag in ("script", "img", "iframe", "style")) and 'href="javascript' not in html and 'href="data' not in html and 'href="vb' not in html


def test_a_picture_that_stands_in_the_card_is_shown_with_its_size():
    html = cards.render(f"![a plot]({png(3, 2)})")
    assert 'width="3"' in html and 'height="2"' in html and 'alt="a plot"' in html and 'src="data:image/png;base64,' in html


@pytest.mark.parametrize("source", [png(5_000, 1), cards.PICTURE + "AAAA", cards.PICTURE + "!!!!", cards.PICTURE + base64.b64encode(cards.PNG + b"\0" * (cards.MAX_PICTURE + 9)).decode(), "plot.png"])
def test_a_picture_that_is_too_large_or_none_gives_way_to_its_words(source):
    html = cards.render(f"![a plot]({source})")
    assert "<img" not in html and "[picture: a plot]" in html


def test_a_comment_has_no_pictures():
    assert cards.comment(f"![a]({png()})") == "<p>[picture: a]</p>\n"


@pytest.mark.parametrize("unit", ["[", "![", "[*", "*a ", "*_", "`a", "a|b\n", "[a](", "<a ", "\n", "[x]: /y\n", "***a", "[`"])
def test_what_would_keep_the_parser_busy_is_shown_as_the_text_that_it_is(unit):
    card = unit * (64 * 1024 // len(unit))
    assert cards.is_tangled(card)
    assert cards.render(card).startswith("<pre>") and "<a " not in cards.render(card)


def test_a_long_ordinary_card_is_not_tangled():
    part = "## Heading\n\nSome *words*, a [link](https://example.org), `code` and **more** words of a paragraph that goes on.\n\n- one\n- two\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\n"
    card = (part * 500)[: 64 * 1024]
    assert not cards.is_tangled(card) and "<h3>Heading</h3>" in cards.render(card)


def test_a_card_that_an_older_sanitiser_made_is_made_again(client, alice):
    version = offered(alice, "flats", homes(), table(np.random.default_rng(0), 0.0))
    Version.objects.filter(pk=version.pk).update(card_html="<p>old <b onclick=x>rules</b></p>", card_made="0; markdown-it-py 1; nh3 0")
    page = client.get(version.get_absolute_url()).content.decode()
    version.refresh_from_db()
    assert "onclick=x" not in page and version.card_made == cards.MADE and "old" not in version.card_html


def test_a_card_is_shown_so_many_times_a_minute(alice):
    for _ in range(talking.PREVIEWS_A_MINUTE):
        assert talking.preview(alice, "*words*") == "<p><em>words</em></p>\n"
    with pytest.raises(Refused) as refused:
        talking.preview(alice, "*words*")
    assert refused.value.status == 429
