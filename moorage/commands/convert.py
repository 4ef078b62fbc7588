"""moorage convert"""

from pathlib import Path
from typing import Annotated

import typer

from moorage.console import OFFER, Json, dump, say, working


def add(app: typer.Typer) -> None:
    @app.command(rich_help_panel=OFFER)
    def convert(
        model: Annotated[Path, typer.Argument(help="A pickle or joblib file of scikit-learn, XGBoost or LightGBM, XGBoost binary JSON, or a torch state dict.")],
        out: Annotated[Path, typer.Option("--out", "-o", help="model.skops, model.safetensors, model.json (XGBoost) or model.txt (LightGBM).")],
        yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask: a pickle runs its author's code, and you are the author or trust them.")] = False,
        as_json: Json = False,
    ) -> None:
        """Convert your own model, on your own machine, into a format that carries no code.

        A pickle is opened here, which runs whatever it holds: convert only files that you made or trust.
        Example: moorage convert model.joblib -o model.skops
        """
        from reuse import convert as converting

        if converting.runs_code(model) and not yes:
            typer.confirm(f"{model} is a pickle; opening it runs its author's code. Do you trust it?", abort=True, err=True)
        with working(f"Converting {model.name}"):
            found = converting.convert_file(model, out)
        if as_json:
            return dump({"file": str(out), "found": str(found)})
        say(f"[bold]{out}[/]: {found}.")
        say("Next: market.offer(...) in Python, or moorage push FOLDER")
