"""`moorage`: each command is a file of moorage/commands; errors become words and an exit code here, once."""

import sys
from importlib import import_module
from pathlib import Path

import typer

HELP = """Find, combine and offer machine-learning models by what data they know.

A table becomes a task description, the description finds models, the models become one predictor:

  moorage describe houses.csv --target price -o task.json   # the data stays here
  moorage match task.json --top 10
  moorage reuse task.json --data labelled.csv --target price -o predictor/
  moorage predict predictor/ new.csv -o out.csv

MOORAGE_URL and MOORAGE_TOKEN, or `moorage login`, say which market.
"""

app = typer.Typer(help=HELP, no_args_is_help=True, add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
for _path in sorted((Path(__file__).parent / "commands").glob("[a-z]*.py")):
    import_module(f"moorage.commands.{_path.stem}").add(app)


def main() -> None:
    """Run the command line; a complaint goes to stderr, with what to do next."""
    from moorage.errors import MarketError

    try:
        app()
    except MarketError as error:
        _say(error.message, error.hint, error.fields, error.request_id)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _say("Stopped.", "", {}, "")
        sys.exit(130)
    except Exception as error:  # specs' and reuse's own refusals carry the same parts; anything else is a bug and is shown whole
        if not hasattr(error, "code") or not hasattr(error, "hint"):
            raise
        _say(error.message, error.hint, getattr(error, "fields", {}), "")
        sys.exit(2)


def _say(message: str, hint: str, fields: dict, request_id: str) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True)
    console.print(Text("✗ ", "bold red") + Text(message))
    for name, why in fields.items():
        if why and str(why) not in message:
            console.print(Text(f"  {name}: {why}"))
    if hint:
        console.print(Text("→ ", "bold cyan") + Text(hint))
    if request_id:
        console.print(Text(f"  request {request_id}", "dim"))


if __name__ == "__main__":
    main()
