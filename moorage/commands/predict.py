"""moorage predict"""

from pathlib import Path
from typing import Annotated

import typer

from moorage.console import USE, Json, Offline, Token, Url, dump, market, moving, say, working


def add(app: typer.Typer) -> None:
    @app.command(rich_help_panel=USE)
    def predict(
        predictor: Annotated[str, typer.Argument(help="Folder of a predictor or of a downloaded learnware; or a learnware as owner/name@1, which is fetched.")],
        data: Annotated[Path, typer.Argument(help="A CSV with the columns that it takes.")],
        out: Annotated[Path, typer.Option("--out", "-o", help="The CSV with predictions.")] = Path("out.csv"),
        url: Url = None, token: Token = None, offline: Offline = False, as_json: Json = False,
    ) -> None:
        """Predict the rows of a table on this machine; the models run in a sandbox.

        The result repeats the table and adds `predicted_<target>`, for classes with a probability each.
        Example: moorage predict predictor/ new.csv -o out.csv
        Example: moorage predict alice/flights@1 new.csv -o out.csv
        """
        import tempfile

        from moorage import predicting, tables

        frame = tables.read(data)
        with tempfile.TemporaryDirectory(prefix="moorage-predict-") as scratch:
            folder = Path(predictor)
            if not folder.is_dir() and predicting.is_reference(predictor):
                with moving(f"Downloading {predictor}") as (moved, _):
                    folder = market(url, token, offline).download(predictor, scratch, progress=moved)
            with working(f"Predicting {len(frame):,} rows"):
                result = predicting.predicted(folder, frame)
        result.to_csv(out, index=False)
        if as_json:
            return dump({"file": str(out), "rows": len(result), "columns": list(result.columns)})
        say(f"[bold]{out}[/]: {len(result):,} predictions.")
