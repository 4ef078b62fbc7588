"""moorage show"""

from typing import Annotated

import typer

from moorage.console import FIND, Json, Offline, Token, Url, dump, market, say, size, table


def add(app: typer.Typer) -> None:
    @app.command(rich_help_panel=FIND)
    def show(
        reference: Annotated[str, typer.Argument(help="owner/name, owner/name@1 or owner/name@1.0.0.")],
        url: Url = None, token: Token = None, offline: Offline = False, as_json: Json = False,
    ) -> None:
        """Show a learnware: what it predicts, for which data, its licence, its files.

        Example: moorage show alice/flights
        """
        found = market(url, token, offline).learnware(reference)
        if as_json:
            return dump(found)
        output = found["output"]
        what = f"one of {len(output['classes'])} classes" if output.get("classes") else f"a number{' in ' + output['unit'] if output.get('unit') else ''}"
        say(f"[bold]{found['reference']}[/] {found['title']}: {found['status']}, {found['licence']}")
        say(f"Predicts {output['target']}, {what}, as {found['format']}. {found['downloads']} downloads.")
        if found.get("base"):
            say(f"Fine-tuned from {found['base']}")
        if found.get("parents"):
            say(f"Made of {', '.join(found['parents'])}")
        table(["file", "size", "SHA-256"], [[file["name"], size(file["size"]) if file["size"] else "", file["sha256"]] for file in found["files"]], right=(1,))
        say(f"Next: moorage download {found['reference']}")
