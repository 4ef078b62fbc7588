"""moorage whoami"""

import typer

from moorage.console import ACCOUNT, Json, Token, Url, dump, market, say


def add(app: typer.Typer) -> None:
    @app.command(rich_help_panel=ACCOUNT)
    def whoami(url: Url = None, token: Token = None, as_json: Json = False) -> None:
        """Say who you are, on which market, by which token, and where that token came from.

        Of several the first wins: --token, MOORAGE_TOKEN, the file of `moorage login`.
        Example: moorage whoami
        """
        found = market(url, token)
        person = found.whoami()
        said = found.credentials
        if as_json:
            return dump(person | {"url": found.url, "token_from": said.source, "passed_over": list(said.beside)})
        held = person["token"] or {"name": "-", "scopes": []}
        say(f"[bold]{person['username']}[/] on {found.url}")
        say(f"token “{held['name']}” from {said.source}, scopes: {', '.join(held['scopes'])}")
        if said.beside:
            say(f"[dim]It won over {' and '.join(said.beside)}.[/]")
