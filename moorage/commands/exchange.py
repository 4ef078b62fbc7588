"""moorage import, moorage export: to and from the `learnware` package"""

from pathlib import Path
from typing import Annotated

import typer

from moorage.console import OFFER, Json, dump, say


def add(app: typer.Typer) -> None:
    @app.command("import", rich_help_panel=OFFER)
    def import_(
        file: Annotated[Path, typer.Argument(help="A zip of the learnware package, or its stat.json / rkme.json.")],
        out: Annotated[Path, typer.Option("--out", "-o", help="Where the description goes.")] = Path("imported.json"),
        as_json: Json = False,
    ) -> None:
        """Read a specification of the learnware package. Its code is not run and its model not opened.

        Example: moorage import theirs.zip -o theirs.json
        """
        from moorage.errors import Refused
        from specs import interchange

        if not file.is_file():
            raise Refused(f"{file} can not be read: there is no such file.", code="no-file", hint="Check the path.")
        data = file.read_bytes()
        found = interchange.from_zip(data) if data[:2] == b"PK" else interchange.from_stat_json(data)
        found.specification.write(out)
        spec = found.specification
        if as_json:
            return dump({"file": str(out), "space": spec.space.name, "points": spec.rkme.size, "rows": spec.rkme.n, "files": list(found.files), "notes": list(found.notes), **spec.semantic})
        say(f"[bold]{out}[/]: {spec.rkme.size} points for {spec.rkme.n:,} rows in “{spec.space.name}”, {spec.space.d} columns.")
        for note in found.notes:
            say(f"[yellow]{note}[/]")

    @app.command("export", rich_help_panel=OFFER)
    def export(
        description: Annotated[Path, typer.Argument(help="A description or specification of Moorage.")],
        model: Annotated[Path | None, typer.Option(help="An ONNX or skops model to put beside it; makes a zip.")] = None,
        classes: Annotated[int, typer.Option(min=0, help="How many classes the model tells apart; 0: one number.")] = 0,
        licence: Annotated[str, typer.Option(help="The model's licence.")] = "Others",
        out: Annotated[Path, typer.Option("--out", "-o", help="stat.json, or a .zip.")] = Path("stat.json"),
        as_json: Json = False,
    ) -> None:
        """Write a specification as the learnware package reads it: stat.json, or a whole zip.

        Only spaces of plain numbers on one scale export without loss; others are refused with the reason.
        Example: moorage export spec.json -o stat.json
        """
        import specs
        from moorage.interchange import to_zip
        from specs.interchange import to_stat_json

        spec = specs.Specification.read(description)
        is_zip = model is not None or out.suffix == ".zip"
        data = to_zip(spec, model, licence=licence, classes=classes) if is_zip else to_stat_json(spec)
        out.write_bytes(data)
        if as_json:
            return dump({"file": str(out), "bytes": len(data)})
        say(f"[bold]{out}[/]: {len(data) / 1024:.0f} kB, as the learnware package reads it.")
