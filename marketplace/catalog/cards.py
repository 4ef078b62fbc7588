"""Cards and comments: a stranger's Markdown as HTML that is safe to show. A card is rendered once, when it is written, and kept with what made it.

The parser looks for the end of each bracket and each emphasis that begins, so 64 kB of `![` would keep it busy for seconds. What has more beginnings
than a card has use for is shown as the plain text that it is.
"""

import base64
import binascii
import re
import struct
from html import escape
from importlib.metadata import version

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

PICTURE = "data:image/png;base64,"
MAX_PICTURE = 48 * 1024  # bytes of a PNG that stands in a card
MAX_SIDE = 2_000  # pixels: a small file can claim a huge picture
MADE = f"1; markdown-it-py {version('markdown-it-py')}; nh3 {version('nh3')}"  # what rendered; the first number is this file's own, to be raised with its rules
TANGLES = (  # (what begins something that must be looked for, how many times it may)
    (re.compile(r"\["), 3_000), (re.compile(r"\*+|_+|~+"), 6_000), (re.compile(r"`+"), 4_000), (re.compile(r"\|"), 12_000), (re.compile(r"<"), 6_000),
    (re.compile(r"^ {0,3}\[[^\]\n]*\]:", re.MULTILINE), 500), (re.compile(r"^[ \t]*(?:[-+*>]|\d+[.)])[ \t]", re.MULTILINE), 6_000), (re.compile(r"\n"), 12_000),
)
PNG = b"\x89PNG\r\n\x1a\n"
TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h2", "h3", "h4", "h5", "h6", "hr", "img", "li", "ol", "p", "pre",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}
ATTRIBUTES = {"a": {"href", "title"}, "img": {"src", "alt", "title", "width", "height"}, "th": {"align"}, "td": {"align"}}


def render(card: str) -> str:
    """A card as sanitised HTML: headings one step below the page's own, pictures only where they stand in the card itself."""
    return _render(card, shift=1, pictures=True)


def comment(words: str) -> str:
    """A comment as sanitised HTML: headings below those of the discussion, no pictures."""
    return _render(words, shift=3, pictures=False)


def is_tangled(words: str) -> bool:
    """Whether a text has so many beginnings of brackets, emphasis or tables that parsing it would take longer than a page may."""
    return any(sum(1 for _ in pattern.finditer(words)) > most for pattern, most in TANGLES)


def _render(words: str, *, shift: int, pictures: bool) -> str:
    if is_tangled(words):
        return f"<pre>{escape(words, quote=False)}</pre>"
    return nh3.clean(
        _markdown.render(words, {"shift": shift, "pictures": pictures}),
        tags=TAGS, attributes=ATTRIBUTES, attribute_filter=_kept, url_schemes={"http", "https", "mailto", "data"},
        link_rel="nofollow noopener noreferrer ugc",
    )


def _mend(state: StateCore) -> None:
    """Headings moved down; each picture given its size, or its words in its place."""
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + state.env['shift'])}"
        for child in token.children or ():
            if child.type == "image":
                _picture(child, state.env["pictures"])


def _picture(token: Token, wanted: bool) -> None:
    size = _size(str(token.attrs.get("src", ""))) if wanted else None
    if size is None:
        token.type, token.tag, token.content, token.children = "text", "", f"[picture: {token.content or 'without words'}]", None
        token.attrs = {}
    else:
        token.attrs["width"], token.attrs["height"] = size


def _size(source: str) -> tuple[int, int] | None:
    """(width, height) of a PNG that stands whole in the address and is small; None for everything else."""
    if not source.startswith(PICTURE) or len(source) > len(PICTURE) + MAX_PICTURE * 4 // 3 + 4:
        return None
    try:
        data = base64.b64decode(source[len(PICTURE) :], validate=True)
    except (binascii.Error, ValueError):
        return None
    if not data.startswith(PNG) or data[12:16] != b"IHDR" or len(data) < 33:
        return None
    width, height = struct.unpack(">II", data[16:24])
    return (width, height) if 0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE else None


def _kept(tag: str, attribute: str, value: str) -> str | None:
    """The second fence: data in an address only as a picture, and a picture only as data."""
    if attribute in ("href", "src") and value.lower().lstrip().startswith("data:") != (tag == "img"):
        return None
    return value


def _parser() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False, "maxNesting": 20}).enable(["table", "strikethrough"])
    made.core.ruler.push("mend", _mend)
    return made


_markdown = _parser()
