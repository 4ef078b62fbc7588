"""What commands share: options, tables, progress, JSON."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

FIND, USE, OFFER, ACCOUNT = "Find", "Use", "Offer", "Account"  # the groups of `moorage --help`

Url = Annotated[str | None, typer.Option("--url", help="Address of the market. (or MOORAGE_URL)", show_default=False)]
Token = Annotated[str | None, typer.Option("--token", help="API token. (or MOORAGE_TOKEN)", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Offline = Annotated[bool, typer.Option("--offline", help="Make no request: use what was fetched before. (or MOORAGE_OFFLINE)")]


def market(url: str | None, token: str | None, offline: bool = False) -> Any:
    """The market that options, environment or `moorage login` name."""
    from moorage.market import Market

    return Market(url, token, offline=offline or None)


def read_params(text: str, example: str) -> dict[str, Any]:
    """The object that --params holds; raises Refused where it is none."""
    from moorage.errors import Refused

    hint = f"Write it as '{example}'."
    try:
        found = json.loads(text)
    except ValueError as error:
        raise Refused(f"--params must be JSON; {error}.", code="wrong-params", hint=hint) from None
    if not isinstance(found, dict):
        raise Refused("--params must be an object.", code="wrong-params", hint=hint)
    return found


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


def size(number: int) -> str:
    """Bytes as a person says them."""
    for unit, least in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= least:
            return f"{number / least:.1f} {unit}"
    return f"{number} bytes"


@contextmanager
def working(words: str) -> Iterator[Callable[[str, float | None], None]]:
    """A progress bar on stderr; `step(message, done)` moves it, done in [0, 1] or None where nobody knows."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(escape(words), total=None)

        def step(message: str = "", done: float | None = None) -> None:
            progress.update(bar, description=escape(message or words), total=1.0 if done is not None else None, completed=done or 0)

        yield step


@contextmanager
def moving(words: str) -> Iterator[tuple[Callable[[str, int, int], None], Callable[[str], None]]]:
    """Several files under one display on stderr: a bar for each, with bytes, speed and time left.

    Gives `moved(name, done, total)` and `step(words)`; the first line says what is going on as a whole.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        whole = progress.add_task(escape(words), total=None)
        bars: dict[str, Any] = {}

        def moved(name: str, done: int, total: int) -> None:
            if name not in bars:
                bars[name] = progress.add_task(escape(f"  {name}"), total=total or None)
            progress.update(bars[name], completed=done, total=total or None)

        yield moved, lambda said: progress.update(whole, description=escape(said))
