"""moorage describe"""

from pathlib import Path
from typing import Annotated

import typer

from moorage.console import FIND, Json, Offline, Token, Url, dump, market, say, working


def add(app: typer.Typer) -> None:
    @app.command(rich_help_panel=FIND)
    def describe(
        data: Annotated[Path, typer.Argument(help="A CSV (or Parquet) file with a header.")],
        target: Annotated[str | None, typer.Option("--target", "-t", help="The column to predict; it is left out of the description.")] = None,
        out: Annotated[Path, typer.Option("--out", "-o", help="Where the description goes.")] = Path("task.json"),
        task: Annotated[str | None, typer.Option(help="classification or regression; guessed from the target when left out.")] = None,
        space: Annotated[str | None, typer.Option(help="Id of a space, or a file that holds a specification of it.")] = None,
        found: Annotated[bool, typer.Option("--found", help="Found a new space where none of the market's fits.")] = False,
        points: Annotated[int, typer.Option(min=1, max=2000, help="How many weighted points stand for the data.")] = 100,
        name: Annotated[str, typer.Option(help="A name for the task.")] = "",
        mode: Annotated[str, typer.Option(help="fast, or best: several times as long for about half the squared MMD.")] = "fast",
        labels: Annotated[bool, typer.Option("--labels", help="Carry statistics of the target too: models of your concept come first.")] = False,
        noise: Annotated[float, typer.Option(min=0, max=100, help="Move points at random by so many typical gaps between rows.")] = 0.0,
        epsilon: Annotated[float | None, typer.Option(help="Make an (epsilon, delta)-differentially private description.")] = None,
        delta: Annotated[float, typer.Option(help="Goes with --epsilon; far below 1 / rows.")] = 1e-6,
        url: Url = None, token: Token = None, offline: Offline = False, as_json: Json = False,
    ) -> None:
        """Reduce a table to a small description of its distribution. The data stays here.

        Only the names and types of the columns are sent, to find the space that they fit; with --offline the spaces of the cache are tried.
        Example: moorage describe houses.csv --target price -o task.json
        """
        from moorage import tables
        from specs import privacy

        is_large = data.is_file() and data.stat().st_size > tables.LARGE
        frame = next(tables.parts(data)) if is_large else tables.read(data, least_rows=2)
        tables.check_target(frame, target, data)
        options = {"mode": mode, "noise": noise, **({"epsilon": epsilon, "delta": delta} if epsilon is not None else {})}
        chosen = "found" if found else space
        if space and Path(space).is_file():
            import specs

            chosen = specs.Specification.read(space).space
        with working("Reducing a large file, in parts" if is_large else f"Reducing {len(frame):,} rows"):
            parts = (lambda: tables.parts(data)) if is_large else None
            spec = market(url, token, offline).describe(frame, target, name=name or data.stem, task=task, space=chosen, points=points, labels=labels, parts=parts, **options)
            shown = privacy.exposure(spec.rkme, spec.space.encode(frame))
        spec.write(out)
        said = {"file": str(out), "space": spec.space.name, "space_id": spec.space.id, "rows": spec.rkme.n, "points": spec.rkme.size,
                "coordinates": spec.space.d, "fit": spec.rkme.fit, "floor": spec.rkme.floor, "exposure": shown.to_json(), "bytes": out.stat().st_size, **spec.semantic}
        if as_json:
            return dump(said)
        say(f"[bold]{out}[/]: {spec.rkme.n:,} rows in {spec.rkme.size} points of the space “{spec.space.name}”, {out.stat().st_size / 1024:.0f} kB.")
        if spec.rkme.fit is not None:
            say(f"Squared MMD to your data: {spec.rkme.fit:.1e}; sampling alone makes {spec.rkme.floor:.1e}. No row is in the file.")
        if epsilon is not None:
            say(f"Differentially private: epsilon {epsilon:g}, delta {delta:g}, spent once. The space's own numbers and the count of rows are not covered.")
        else:
            say(f"A point lies {shown.gap:.2f} times as far from its nearest row as rows lie from one another, and stands for {shown.rows_a_point:.0f} rows on average.")
            for warning in shown.warnings:
                say(f"[yellow]{warning}[/]")
        if labels:
            say("It carries statistics of the target: they tell more of your rows than the inputs alone.")
        say(f"Next: moorage match {out}")
