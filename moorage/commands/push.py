"""moorage push"""

from pathlib import Path
from typing import Annotated

import typer

from moorage.console import Json, Token, Url, dump, market, say, working


def add(app: typer.Typer) -> None:
    @app.command()
    def push(
        folder: Annotated[Path, typer.Argument(help="A folder with learnware.json, specification.json and the model file.")],
        wait: Annotated[bool, typer.Option(help="Wait until the market has checked it.")] = True,
        url: Url = None, token: Token = None, as_json: Json = False,
    ) -> None:
        """Offer a learnware. Everything is checked here before the first byte is sent.

        From Python, `market.offer(model, X, y, name=..., licence=...)` writes the folder and pushes it.
        Example: moorage push my-model/
        """
        with working("Uploading") as step:
            made = market(url, token).push(folder, wait=wait, seen=lambda row: step(f"{row['reference']} is {row['status']}"))
        if as_json:
            return dump(made)
        say(f"[bold]{made['reference']}[/] is {made['status']}: {market(url, token).url}{made['url']}")
