"""moorage push"""

from pathlib import Path
from typing import Annotated

import typer

from moorage.console import OFFER, Json, Token, Url, dump, market, moving, say


def add(app: typer.Typer) -> None:
    @app.command(rich_help_panel=OFFER)
    def push(
        folder: Annotated[Path, typer.Argument(help="A folder with learnware.json, specification.json and the model file.")],
        visibility: Annotated[str, typer.Option(help="public or private; as the learnware has it when left out.")] = "",
        wait: Annotated[bool, typer.Option(help="Wait until the market has checked it.")] = True,
        url: Url = None, token: Token = None, as_json: Json = False,
    ) -> None:
        """Offer a learnware. Everything is checked here before the first byte is sent.

        Large files go up in parts: a push that broke off, or was killed, goes on when it is run again.
        From Python, `market.offer(model, X, y, name=..., licence=...)` writes the folder and pushes it.
        Example: moorage push my-model/
        """
        found = market(url, token)
        with moving(f"Offering {folder}") as (moved, step):
            made = found.push(folder, visibility=visibility, wait=wait, progress=moved, seen=lambda row: step(f"{row['reference']} is {row['status']}"))
        if as_json:
            return dump(made)
        say(f"[bold]{made['reference']}[/] is {made['status']}: {found.url}{made['url']}")
        say(f"Next: moorage show {made['reference']}")
