"""moorage match"""

from pathlib import Path
from typing import Annotated

import typer

from moorage.console import FIND, Json, Token, Url, dump, market, say, table, working


def add(app: typer.Typer) -> None:
    @app.command(rich_help_panel=FIND)
    def match(
        description: Annotated[Path, typer.Argument(help="What `moorage describe` wrote.")],
        top: Annotated[int, typer.Option(min=1, max=100, help="How many singles to list.")] = 10,
        task: Annotated[str | None, typer.Option(help="Only classification or regression.")] = None,
        target: Annotated[str | None, typer.Option("--target", "-t", help="Only models that predict this.")] = None,
        licence: Annotated[str | None, typer.Option(help="Only this licence, such as Apache-2.0.")] = None,
        format: Annotated[str | None, typer.Option(help="Only safetensors, skops, onnx, xgboost, lightgbm or predictor.")] = None,
        trial: Annotated[Path | None, typer.Option("--try", help="Labelled rows: run the best models on them, on this machine; --target says the column.")] = None,
        most: Annotated[int, typer.Option(min=1, max=100, help="How many models --try runs at most.")] = 10,
        words: Annotated[str | None, typer.Option("--words", "-q", help="Words that must appear.")] = None,
        url: Url = None, token: Token = None, as_json: Json = False,
    ) -> None:
        """Find the models whose data look like yours: ranked singles, and the mixture that covers the task best.

        Example: moorage match task.json --top 10 --licence Apache-2.0
        """
        import specs

        requirement = specs.Specification.read(description)
        with working("Searching"):
            found = market(url, token).match(requirement, top=top, task=task, target=target, licence=licence, format=format, q=words)
        tried = []
        if trial is not None:
            from moorage import tables
            from moorage.errors import Refused

            column = target or found.semantic.get("target")
            if not column:
                raise Refused("Trying models needs the column of labels.", code="no-target", hint="Name it with --target.")
            rows_at_hand = tables.read_labelled(trial, column)
            with working(f"Running up to {most} models on {len(rows_at_hand):,} labelled rows, here"):
                tried = found.trial(rows_at_hand, column, most=most)
        if as_json:
            return dump(found.document | ({"trial": tried} if trial is not None else {}))
        if not found.singles:
            say("Nothing in the market fits. " + str(found.document.get("advice") or "Loosen the filters."))
            raise typer.Exit(4)
        rows = [[s["rank"], s["reference"], s.get("title", ""), f"{s['mmd']:.4f}", f"{s['coverage']:.0%}", s.get("verdict", "")] for s in found.singles]
        table(["#", "learnware", "title", "MMD", "covers", ""], rows, right=(0, 3, 4))
        if tried:
            say(f"On your labelled rows ({tried[0]['metric'] or 'failed'}):")
            table(["#", "learnware", "score", ""], [[row["rank"], row["reference"], "" if row["score"] is None else f"{row['score']:.4g}", row.get("error", "")] for row in tried], right=(0, 2))
        mixed = found.mixture
        if len(mixed["members"]) > 1:
            say(f"Mixture: covers {mixed['coverage']:.0%} at MMD {max(0, mixed['squared_mmd']) ** 0.5:.4f}")
            table(["weight", "learnware"], [[f"{m['weight']:.3f}", m["reference"]] for m in mixed["members"]], right=(0,))
        first = found.singles[0].get("columns") or []
        if first:
            say("The nearest differs most in: " + ", ".join(column["column"] for column in first[:3]))
        say(f"In the browser: {found.url}")
        say(f"Next: moorage reuse {description} --data labelled.csv -o predictor/")
