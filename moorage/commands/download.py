"""moorage download"""

from pathlib import Path
from typing import Annotated

import typer

from moorage.console import Token, Url, market, say, working


def add(app: typer.Typer) -> None:
    @app.command()
    def download(
        reference: Annotated[str, typer.Argument(help="owner/name, or owner/name@1.0.0 for one version.")],
        out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder; the learnware's name when left out.")] = None,
        url: Url = None, token: Token = None,
    ) -> None:
        """Fetch a learnware's model, specification and manifest. Goes on where it broke off; verifies every SHA-256.

        Example: moorage download alice/flights -o flights/
        """
        folder = out or Path(reference.partition("/")[2].partition("@")[0])
        with working(f"Downloading {reference}") as step:
            market(url, token).download(reference, folder, progress=lambda name, done, total: step(name, done / total if total else None))
        say(f"[bold]{folder}[/] holds {', '.join(sorted(file.name for file in folder.iterdir()))}.")
        say(f"Next: moorage predict {folder} new.csv -o out.csv")
