"""What the demo prints: progress bars and the table."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from marketplace.demo import recipes

if TYPE_CHECKING:
    from marketplace.demo.main_job import Report

console = Console(stderr=True)
out = Console(width=None if sys.stdout.isatty() else 110)


@contextmanager
def bar(title: str) -> Iterator:
    """A progress bar; gives `progress(name, done, total)`. Where there is no terminal, a line now and then."""
    if not console.is_terminal:
        def line(name: str, done: int, total: int) -> None:
            if done % 10 == 0:
                console.print(f"{title}: {done} of {total} …", highlight=False)

        yield line
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task(title, total=None)
        yield lambda name, done, total: shown.update(task, completed=done, total=total, description=f"{title}: {name}")


@contextmanager
def step(title: str) -> Iterator:
    """A line that changes while something happens; gives `say(text)`. Where there is no terminal, one line each."""
    if not console.is_terminal:
        said: set[str] = set()

        def line(text: str) -> None:
            if text not in said:
                said.add(text)
                console.print(f"  {text}", highlight=False)

        yield line
        return
    with console.status(title) as status:
        yield lambda text: status.update(text)


def report(found: "Report", *, stays: bool) -> None:
    """The main job's table, as a person reads it; with the page of its match where the market `stays`."""
    unit = f" in {found.unit}" if found.unit else ""
    better = "higher is better" if found.higher_is_better else "lower is better"
    out.print()
    out.print(f"[bold]{found.title}[/bold]  ({found.task})")
    out.print(f"{found.rows_described:,} rows were described and stayed here; the market answered with", highlight=False)
    for member in found.mixture:
        out.print(f"  {member['weight']:6.1%}  {member['reference']}", highlight=False)
    out.print(f"which cover {found.coverage:.0%} of the data. The nearest single model is {found.nearest} (MMD {found.nearest_mmd:.3f}).", highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title, side in (("predictor", "left"), ("method", "left"), ("labels", "right"), ("models", "right"), (f"{found.metric}{unit}", "right"), ("95 % interval", "left")):
        table.add_column(title, justify=side, no_wrap=title != "95 % interval")
    best = (max if found.higher_is_better else min)(found.rows, key=lambda row: row.score)
    for row in found.rows:
        table.add_row(row.what, row.method, str(row.labels), str(row.models), figure(row.score), f"{figure(row.low)} to {figure(row.high)}", style="bold" if row is best else None)
    out.print(table)
    out.print(f"Measured on {found.rows_unused:,} rows that nobody used; {better}. {found.seconds:.0f} s from file to predictions.", highlight=False)
    if stays:
        out.print(f"The match as a page: {found.match_url}", highlight=False, soft_wrap=True)


def figure(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 100 else f"{value:,.0f}"


def welcome(url: str, username: str, secrets: dict[str, str], name: str = "diamonds-estate") -> None:
    """Where everything is, and what to do next."""
    out.print()
    out.print(f"[bold]Moorage is at {url}[/bold]")
    out.print(f"  sign in as  {username} / {secrets['password']}", highlight=False)
    out.print(f"  token       {secrets['token']}", highlight=False)
    folder = settings.HOME / "demo"
    family, _ = recipes.tasks()[name]
    moorage = _near(Path(sys.executable).with_name("moorage"))
    out.print("\nThe same by hand:", highlight=False)
    for line in (
        f"export MOORAGE_URL={url} MOORAGE_TOKEN={secrets['token']}",
        f"{moorage} describe {_near(folder / name)}.csv -o task.json",
        f"{moorage} match task.json --target {family.target}",
        f"{moorage} reuse task.json --data {_near(folder / name)}-labelled.csv --target {family.target} -o predictor/",
        f"{moorage} predict predictor/ {_near(folder / name)}-new.csv -o out.csv",
    ):
        out.print(f"  {line}", highlight=False, soft_wrap=True)


def _near(path: Path) -> Path:
    """The path as one types it from here."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
