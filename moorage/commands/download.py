"""moorage download"""

from pathlib import Path
from typing import Annotated

import typer

from moorage.console import USE, Json, Offline, Token, Url, dump, market, moving, say


def add(app: typer.Typer) -> None:
    @app.command(rich_help_panel=USE)
    def download(
        references: Annotated[list[str], typer.Argument(help="owner/name for the latest, owner/name@1 for the newest 1.x, owner/name@1.0.0 for that one.", metavar="OWNER/NAME...")],
        out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder; the learnware's name when left out. For several, the folder that theirs go into.")] = None,
        url: Url = None, token: Token = None, offline: Offline = False, as_json: Json = False,
    ) -> None:
        """Fetch learnwares: model, specification, manifest. Goes on where it broke off; verifies every SHA-256.

        What was fetched stays in the cache, so a second download sends no byte of it again.
        Example: moorage download alice/flights -o flights/
        """
        found = market(url, token, offline)
        folders = {}
        with moving(f"Downloading {', '.join(references)}") as (moved, step):
            for reference in references:
                name = reference.partition("/")[2].partition("@")[0]
                folder = (out / name if len(references) > 1 else out) if out else Path(name)
                step(f"Downloading {reference}")
                folders[reference] = found.download(reference, folder, progress=moved)
        if as_json:
            return dump([{"reference": reference, "folder": str(folder), "files": sorted(file.name for file in folder.iterdir())} for reference, folder in folders.items()])
        for folder in folders.values():
            say(f"[bold]{folder}[/] holds {', '.join(sorted(file.name for file in folder.iterdir()))}.")
        say(f"Next: moorage predict {folder} new.csv -o out.csv")
