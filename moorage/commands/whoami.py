"""moorage whoami"""

import typer

from moorage.console import Json, Token, Url, dump, market, say


def add(app: typer.Typer) -> None:
    @app.command()
    def whoami(url: Url = None, token: Token = None, as_json: Json = False) -> None:
        """Say who you are, on which market, by which token, and where that token came from."""
        found = market(url, token)
        person = found.whoami()
        if as_json:
            return dump(person | {"url": found.url, "token_from": found.credentials.source})
        held = person["token"] or {"name": "-", "scopes": []}
        say(f"[bold]{person['username']}[/] on {found.url}")
        say(f"token “{held['name']}” from {found.credentials.source}, scopes: {', '.join(held['scopes'])}")
