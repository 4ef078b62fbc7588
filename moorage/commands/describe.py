"""moorage describe"""

from pathlib import Path
from typing import Annotated

import typer

from moorage.console import Json, Token, Url, dump, market, say, working

FEW = 100  # rows; below, points of a few rows each may give single people away


def add(app: typer.Typer) -> None:
    @app.command()
    def describe(
        data: Annotated[Path, typer.Argument(help="A CSV (or Parquet) file with a header.")],
        target: Annotated[str | None, typer.Option("--target", "-t", help="The column to predict; it is left out of the description.")] = None,
        out: Annotated[Path, typer.Option("--out", "-o", help="Where the description goes.")] = Path("task.json"),
        task: Annotated[str | None, typer.Option(help="classification or regression; guessed from the target when left out.")] = None,
        space: Annotated[str | None, typer.Option(help="Id of a space, or a file that holds a specification of it.")] = None,
        found: Annotated[bool, typer.Option("--found", help="Found a new space where none of the market's fits.")] = False,
        points: Annotated[int, typer.Option(min=1, max=2000, help="How many weighted points stand for the data.")] = 100,
        name: Annotated[str, typer.Option(help="A name for the task.")] = "",
        url: Url = None, token: Token = None, as_json: Json = False,
    ) -> None:
        """Reduce a table to a small description of its distribution. The data stays here.

        Only the names and types of the columns are sent, to find the space that they fit.
        Example: moorage describe houses.csv --target price -o task.json
        """
        from moorage import tables

        frame = tables.read(data, least_rows=2)
        tables.check_target(frame, target, data)
        chosen = "found" if found else space
        if space and Path(space).is_file():
            import specs

            chosen = specs.Specification.read(space).space
        with working(f"Reducing {len(frame):,} rows"):
            spec = market(url, token).describe(frame, target, name=name or data.stem, task=task, space=chosen, points=points)
        spec.write(out)
        said = {"file": str(out), "space": spec.space.name, "space_id": spec.space.id, "rows": spec.rkme.n, "points": spec.rkme.size,
                "coordinates": spec.space.d, "fit": spec.rkme.fit, "bytes": out.stat().st_size, **spec.semantic}
        if as_json:
            return dump(said)
        say(f"[bold]{out}[/]: {spec.rkme.n:,} rows in {spec.rkme.size} points of the space “{spec.space.name}”, {out.stat().st_size / 1024:.0f} kB.")
        if spec.rkme.fit is not None:
            say(f"Squared MMD to your data: {spec.rkme.fit:.1e}. No row is in the file.")
        if spec.rkme.n < FEW:
            say("[yellow]Few rows: single people may be recognisable in the points. Share it with care.[/]")
        say(f"Next: moorage match {out}")
