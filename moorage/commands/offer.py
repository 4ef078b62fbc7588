"""moorage offer"""

from pathlib import Path
from typing import Annotated

import typer

from moorage.console import OFFER, Json, Token, Url, dump, market, say, working


def add(app: typer.Typer) -> None:
    @app.command(rich_help_panel=OFFER)
    def offer(
        predictor: Annotated[Path, typer.Argument(help="The folder that `moorage reuse` wrote.")],
        name: Annotated[str, typer.Option("--name", help="Name of the new learnware.")],
        licence: Annotated[str, typer.Option(help="What its parts require, when left out.")] = "",
        version: Annotated[str, typer.Option(help="Three numbers.")] = "1.0.0",
        title: Annotated[str, typer.Option(help="Its title; made of the name when left out.")] = "",
        url: Url = None, token: Token = None, as_json: Json = False,
    ) -> None:
        """Offer the result of a reuse as a new learnware of yours, with its parents and its scores.

        Example: moorage offer predictor/ --name prices-of-cities
        """
        with working("Uploading") as step:
            made = market(url, token).offer_predictor(predictor, name, licence=licence, version=version, title=title, seen=lambda row: step(f"{row['reference']} is {row['status']}"))
        if as_json:
            return dump(made)
        say(f"[bold]{made['reference']}[/] is {made['status']}: {market(url, token).url}{made['url']}")
