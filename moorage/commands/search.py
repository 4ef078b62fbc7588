"""moorage search"""

from typing import Annotated

import typer

from moorage.console import Json, Token, Url, dump, market, say, table


def add(app: typer.Typer) -> None:
    @app.command()
    def search(
        words: Annotated[list[str] | None, typer.Argument(help="Words that must appear.")] = None,
        task: str = "", target: str = "", format: str = "", licence: str = "", owner: str = "", page: int = 1,
        url: Url = None, token: Token = None, as_json: Json = False,
    ) -> None:
        """Look for learnwares by words. To look with data, use `moorage match`.

        Example: moorage search flights --format skops
        """
        found = market(url, token).search(" ".join(words or []), task=task, target=target, format=format, licence=licence, owner=owner, page=page)
        if as_json:
            return dump(found)
        table(["learnware", "title", "task", "format", "licence"], [[r["reference"], r["title"], r["task"], r["format"], r["licence"]] for r in found["results"]])
        say(f"{found['count']} found." + (f" More: --page {page + 1}" if found["next"] else ""))
