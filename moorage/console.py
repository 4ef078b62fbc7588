"""What commands share: options, tables, progress, JSON."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

Url = Annotated[str | None, typer.Option("--url", help="Address of the market. [env: MOORAGE_URL]", show_default=False)]
Token = Annotated[str | None, typer.Option("--token", help="API token. [env: MOORAGE_TOKEN]", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def market(url: str | None, token: str | None) -> Any:
    """The market that options, environment or `moorage login` name."""
    from moorage.market import Market

    return Market(url, token)


def say(text: str) -> None:
    """A line for a person; it goes to stderr, so that stdout holds results alone."""
    from rich.console import Console

    Console(stderr=True, highlight=False).print(text)


def dump(document: Any) -> None:
    """A JSON document on stdout, for programs."""
    sys.stdout.write(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def table(headings: list[str], rows: list[list[Any]], *, right: tuple[int, ...] = ()) -> None:
    """A table on stdout."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=SIMPLE_HEAD, pad_edge=False)
    for i, heading in enumerate(headings):
        shown.add_column(heading, justify="right" if i in right else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(Text(str(cell)) for cell in row))
    Console(width=None if sys.stdout.isatty() else 140).print(shown)


@contextmanager
def working(words: str) -> Iterator[Callable[[str, float | None], None]]:
    """A progress bar on stderr; `step(message, done)` moves it, done in [0, 1] or None where nobody knows."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), TimeElapsedColumn())
    from rich.console import Console

    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(words, total=None)

        def step(message: str = "", done: float | None = None) -> None:
            progress.update(bar, description=message or words, total=1.0 if done is not None else None, completed=done or 0)

        yield step
