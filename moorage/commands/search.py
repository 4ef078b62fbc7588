"""moorage search"""

from typing import Annotated

import typer

from moorage.console import FIND, Json, Token, Url, dump, market, say, table


def add(app: typer.Typer) -> None:
    @app.command(rich_help_panel=FIND)
    def search(
        words: Annotated[list[str] | None, typer.Argument(help="Words that must appear.")] = None,
        task: Annotated[str, typer.Option(help="Only classification or regression.")] = "",
        target: Annotated[str, typer.Option("--target", "-t", help="Only models that predict this.")] = "",
        format: Annotated[str, typer.Option(help="Only safetensors, skops, onnx, xgboost, lightgbm or predictor.")] = "",
        licence: Annotated[str, typer.Option(help="Only this licence, such as Apache-2.0.")] = "",
        owner: Annotated[str, typer.Option(help="Only what this person or organisation offers.")] = "",
        sort: Annotated[str, typer.Option(help="newest, used or name.")] = "",
        page: Annotated[int, typer.Option(min=1, help="Which page of 20.")] = 1,
        url: Url = None, token: Token = None, as_json: Json = False,
    ) -> None:
        """Look for learnwares by words. To look with data, use `moorage match`.

        Example: moorage search flights --format skops
        """
        found = market(url, token).search(" ".join(words or []), task=task, target=target, format=format, licence=licence, owner=owner, sort=sort, page=page)
        if as_json:
            return dump(found)
        if not found["results"]:
            return say("Nothing has these words. Next: leave some out, or look with data: moorage describe data.csv --target COLUMN")
        table(["learnware", "title", "task", "format", "licence"], [[r["reference"], r["title"], r["task"], r["format"], r["licence"]] for r in found["results"]])
        say(f"{found['count']} found." + (f" More: --page {page + 1}" if found["next"] else ""))
        say(f"Next: moorage show {found['results'][0]['reference']}")
