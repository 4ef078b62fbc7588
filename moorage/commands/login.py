"""moorage login"""

from typing import Annotated

import typer

from moorage.console import Token, Url, market, say


def add(app: typer.Typer) -> None:
    @app.command()
    def login(
        url: Url = None,
        username: Annotated[str | None, typer.Option("--username", "-u", help="Your user name; asked for when left out.")] = None,
        token: Token = None,
        name: Annotated[str, typer.Option(help="What the new token is called on the tokens page.")] = "command line",
    ) -> None:
        """Sign in: make a token with your password, or keep one that you have.

        Example: moorage login --username alice
        """
        from moorage import credentials

        found = market(url, token)
        if not token:
            username = username or typer.prompt("User name")
            token = found.login(username, typer.prompt("Password", hide_input=True), name=name)
        person = market(found.url, token).whoami()
        kept = credentials.save(found.url, token)
        say(f"Signed in to {found.url} as [bold]{person['username']}[/]; the token is kept in {kept}.")
        say("Next: moorage describe data.csv --target COLUMN -o task.json")
