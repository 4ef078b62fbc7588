"""moorage predict"""

from pathlib import Path
from typing import Annotated

import typer

from moorage.console import say, working


def add(app: typer.Typer) -> None:
    @app.command()
    def predict(
        predictor: Annotated[Path, typer.Argument(help="Folder of a predictor or of a downloaded learnware.")],
        data: Annotated[Path, typer.Argument(help="A CSV with the columns that it takes.")],
        out: Annotated[Path, typer.Option("--out", "-o", help="The CSV with predictions.")] = Path("out.csv"),
    ) -> None:
        """Predict the rows of a table on this machine; the models run in a sandbox.

        The result repeats the table and adds `predicted_<target>`, for classes with a probability each.
        Example: moorage predict predictor/ new.csv -o out.csv
        """
        from moorage import predicting, tables

        frame = tables.read(data)
        with working(f"Predicting {len(frame):,} rows"):
            result = predicting.predicted(predictor, frame)
        result.to_csv(out, index=False)
        say(f"[bold]{out}[/]: {len(result):,} predictions.")
