"""`docs/` as it is on the disk: which pages there are, in which order, and each as HTML with its headings."""

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from markdown_it import MarkdownIt
from markdown_it.token import Token

FOLDER: Path = settings.BASE_DIR / "docs"
CONTENTS = FOLDER / "contents.json"
LABELS = {"python": "Python", "sh": "Command", "json": "JSON", "ini": "Settings", "yaml": "Settings"}
IMAGES = {".svg": "image/svg+xml", ".png": "image/png"}
_markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


@dataclass(frozen=True)
class Heading:
    """A heading within a page; `level` is 2 or 3."""

    level: int
    anchor: str
    words: str


@dataclass(frozen=True)
class Page:
    """One page: `name` is its path below docs/ without .md."""

    name: str
    title: str
    html: str
    headings: tuple[Heading, ...]
    text: str  # lower case, for searching


@lru_cache(maxsize=1)
def contents() -> list[dict[str, Any]]:
    """[{"title", "pages": [names]}] in reading order."""
    return json.loads(CONTENTS.read_text())


def names() -> list[str]:
    """Every page in reading order."""
    return [name for part in contents() for name in part["pages"]]


@lru_cache(maxsize=256)
def page(name: str) -> Page | None:
    """The page of that name; None where the contents list none."""
    if name not in names():
        return None
    text = (FOLDER / f"{name}.md").read_text()
    tokens = _markdown.parse(text)
    title, headings, taken = name, [], set()
    for opening, inline in zip(tokens, tokens[1:], strict=False):
        if opening.type != "heading_open":
            continue
        words, level = _words(inline), int(opening.tag[1])
        if level == 1:
            title = words
            continue
        anchor = _anchor(words, taken)
        opening.attrSet("id", anchor)
        if level <= 3:
            headings.append(Heading(level, anchor, words))
    for number, token in enumerate(tokens):
        _mend(token, name, number)
    return Page(name, title, _markdown.renderer.render(tokens, _markdown.options, {}), tuple(headings), f"{title} {text}".lower())


def image(name: str) -> tuple[Path, str] | None:
    """(file, content type) of an image in docs/images; None for anything else."""
    path = FOLDER / "images" / name
    kind = IMAGES.get(path.suffix)
    return (path, kind) if kind and re.fullmatch(r"[a-z0-9-]+\.[a-z]+", name) and path.is_file() else None


def search(words: str) -> list[tuple[Page, str]]:
    """(page, a line around the first hit) of every page that holds all the words, those with them in the title first."""
    asked = words.lower().split()[:8]
    found = []
    for name in names():
        held = page(name)
        if held and asked and all(word in held.text for word in asked):
            found.append((held, _excerpt(held.text, asked[0])))
    return sorted(found, key=lambda pair: not any(word in pair[0].title.lower() for word in asked))


def _words(inline: Token) -> str:
    return "".join(child.content for child in inline.children or [] if child.type in ("text", "code_inline")) or inline.content


def _anchor(words: str, taken: set[str]) -> str:
    plain = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-") or "part"
    anchor, number = plain, 2
    while anchor in taken:
        anchor, number = f"{plain}-{number}", number + 1
    taken.add(anchor)
    return anchor


def _mend(token: Token, page_name: str, number: int) -> None:
    """Links to other pages of docs/ and images point into the site; code gets a button that copies it; tables may be wider than the window."""
    for child in token.children or []:
        if child.type == "link_open":
            child.attrSet("href", _address(str(child.attrGet("href")), page_name))
        elif child.type == "image":
            child.attrSet("src", f"/docs/images/{PurePosixPath(str(child.attrGet('src'))).name}")
            child.attrSet("loading", "lazy")
    if token.type in ("fence", "code_block"):
        label = LABELS.get(token.info.strip(), "Text")
        token.type, token.tag = "html_block", ""
        token.content = render_to_string("components/_code.html", {"code": token.content.rstrip("\n"), "id": f"block-{number}", "label": label}) + "\n"
    elif token.type in ("table_open", "table_close"):
        inside = {"table_open": '<div class="table-wide" tabindex="0" role="region" aria-label="Table"><table class="table">', "table_close": "</table></div>"}[token.type]
        token.type, token.tag, token.content = "html_block", "", inside + "\n"
    elif token.type in ("th_open", "td_open") and (style := token.attrs.pop("style", None)):
        token.attrSet("class", {"text-align:right": "text-end", "text-align:center": "text-center"}.get(str(style), ""))  # the policy allows no style attribute


def _address(href: str, page_name: str) -> str:
    """Where a link in a Markdown file leads on the site: other pages of docs/ by name, files elsewhere in the repository as they are."""
    if "://" in href or href.startswith(("#", "/", "mailto:")):
        return href
    path, _, fragment = href.partition("#")
    parts: list[str] = []
    for part in (PurePosixPath(page_name).parent / path).parts:
        if part == "..":
            parts = parts[:-1]
        else:
            parts.append(part)
    name = "/".join(parts).removesuffix(".md")
    if name not in names():
        return href
    return ("/docs/" if name == "index" else f"/docs/{name}/") + (f"#{fragment}" if fragment else "")


def _excerpt(text: str, word: str) -> str:
    at = text.find(word)
    return " ".join(text[max(0, at - 80) : at + 120].split())
