"""`moorage`: each command is a file of moorage/commands; errors become words and an exit code here, once."""

import os
import sys
from importlib import import_module
from pathlib import Path

import typer

from moorage.console import ACCOUNT, FIND, OFFER, USE

HELP = """Find, combine and offer machine-learning models by what data they know.

[bold]A table becomes a task description, the description finds models, the models become one predictor:[/bold]

  moorage describe houses.csv --target price -o task.json   [dim]# no row leaves[/dim]
  moorage match task.json --top 10                          [dim]# what fits[/dim]
  moorage reuse task.json --data labelled.csv -o predictor/ [dim]# on few labels[/dim]
  moorage predict predictor/ new.csv -o out.csv             [dim]# in a sandbox[/dim]

Which market: --url, MOORAGE_URL, or the last `moorage login`. Offline: --offline works with what was fetched before.
"""
EPILOG = "COMMAND --help shows an example of each. Exit codes: 0 done, 2 wrong input, 3 not signed in or not allowed, 4 nothing found, 5 exists already, 6 too many, 7 no market answers, 8 offline, 9 damaged."
ORDER = {FIND: ["describe", "match", "search", "show"], USE: ["reuse", "predict", "download", "jobs", "merge", "cache"],
         OFFER: ["push", "offer", "convert", "import", "export"], ACCOUNT: ["login", "logout", "whoami"]}


class Grouped(typer.core.TyperGroup):
    """Lists commands in the order in which one needs them; whatever is not named comes last."""

    def list_commands(self, ctx: typer.Context) -> list[str]:
        known = [name for names in ORDER.values() for name in names]
        return sorted(super().list_commands(ctx), key=lambda name: (known.index(name) if name in known else len(known), name))


app = typer.Typer(help=HELP, epilog=EPILOG, cls=Grouped, no_args_is_help=True, rich_markup_mode="rich", pretty_exceptions_enable=False,
                  context_settings={"help_option_names": ["-h", "--help"]})
for _path in sorted((Path(__file__).parent / "commands").glob("[a-z]*.py")):
    import_module(f"moorage.commands.{_path.stem}").add(app)


def main() -> None:
    """Run the command line; a complaint goes to stderr, with what to do next."""
    from moorage.errors import MarketError

    try:
        app()
    except MarketError as error:
        _say(error.message, error.code, error.hint, error.fields, error.request_id)
        sys.exit(error.exit_code)
    except SystemExit as end:
        if end.code == 130:  # Ctrl-C
            _say("Stopped.", "stopped", "What was under way goes on when the same command is run again.", {}, "")
        raise
    except BrokenPipeError:  # whoever read stdout has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:  # a disk that is full, a folder that may not be written
        _say(f"{error.filename or 'A file'}: {error.strerror or error}.", "file", "Check the path, its rights and the room on the disk.", {}, "")
        sys.exit(2)
    except Exception as error:  # specs' and reuse's own refusals carry the same parts; anything else is a bug and is shown whole
        if not hasattr(error, "code") or not hasattr(error, "hint"):
            raise
        _say(error.message, error.code, error.hint, getattr(error, "fields", {}), "")
        sys.exit(2)


def _say(message: str, code: str, hint: str, fields: dict, request_id: str) -> None:
    if "--json" in sys.argv[1:]:
        import json

        said = {"code": code, "message": message, "hint": hint, "fields": fields, "request_id": request_id}
        print(json.dumps({key: value for key, value in said.items() if value}, ensure_ascii=False), file=sys.stderr)
        return
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
