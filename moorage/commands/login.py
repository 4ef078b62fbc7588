"""moorage login, moorage logout"""

import sys
from typing import Annotated, Any

import typer

from moorage.console import ACCOUNT, Json, Url, dump, market, say


def add(app: typer.Typer) -> None:
    for command in (login, logout):
        app.command(rich_help_panel=ACCOUNT)(command)


def login(
    browser: Annotated[bool, typer.Option("--browser", "-b", help="Open the page with the code in your browser.")] = False,
    password: Annotated[bool, typer.Option("--password", help="Sign in with user name and password, for scripts; both are read from standard input.")] = False,
    username: Annotated[str | None, typer.Option("--username", "-u", help="Your user name; goes with --password.")] = None,
    token: Annotated[bool, typer.Option("--token", help="Keep a token that you have; it is read from standard input.")] = False,
    name: Annotated[str, typer.Option(help="What the new token is called on the tokens page.")] = "command line",
    scope: Annotated[list[str] | None, typer.Option(help="What the token may do: read, upload, run, admin; several times. The first three when left out.")] = None,
    url: Url = None, as_json: Json = False,
) -> None:
    """Sign in: this terminal shows a code, you let it in from any browser.

    No password is typed here. The token is kept for you alone, in ~/.config/moorage.
    Example: moorage login --browser
    Example: echo moor_... | moorage login --token
    """
    from moorage import credentials
    from moorage.errors import Refused

    if token and (password or username):
        raise Refused("--token and --password are two ways to sign in; one is enough.", code="two-ways", hint="Leave one of them out.")
    found = market(url, None)
    if token:
        secret = _read("Token")
    elif password or username:
        secret = _by_password(found, username or typer.prompt("User name", err=True), name, scope)
    else:
        secret = found.login_by_device(lambda begun: _show(begun, browser), name=name, scopes=scope)
    person = market(found.url, secret).whoami()
    kept = credentials.save(found.url, secret)
    if as_json:
        return dump({"url": found.url, "username": person["username"], "token": person["token"], "kept_in": str(kept)})
    say(f"Signed in to {found.url} as [bold]{person['username']}[/]; the token is kept in {kept}.")
    say("Next: moorage describe data.csv --target COLUMN -o task.json")


def logout(url: Url = None, as_json: Json = False) -> None:
    """Forget the token that is kept for a market. It stays valid until it ends or is revoked on the tokens page.

    Example: moorage logout
    """
    import os

    from moorage import credentials

    where = market(url, None).url
    had = credentials.forget(where)
    if as_json:
        return dump({"url": where, "forgotten": had})
    say(f"The token for {where} is forgotten." if had else f"No token was kept for {where}.")
    if os.environ.get("MOORAGE_TOKEN"):
        say("[yellow]MOORAGE_TOKEN is set and goes on signing you in.[/] Next: unset MOORAGE_TOKEN")
    elif had:
        say(f"To end it everywhere, revoke it: {where}/tokens/")


def _by_password(found: Any, username: str, name: str, scopes: list[str] | None) -> str:
    """The secret of a new token; the code of a second factor is asked for where the account has one."""
    from moorage.errors import NotSignedIn

    given = _read("Password")
    try:
        return found.login(username, given, name=name, scopes=scopes)
    except NotSignedIn as error:
        if error.code != "code-needed":
            raise
    return found.login(username, given, name=name, scopes=scopes, code=_read("Code of your second factor"))


def _show(begun: dict, browser: bool) -> None:
    whole = begun.get("verification_uri_complete") or begun["verification_uri"]
    say(f"Open    [bold]{begun['verification_uri']}[/]")
    say(f"Enter   [bold]{begun['user_code']}[/]")
    if browser:
        import webbrowser

        if not webbrowser.open(whole):
            say("[yellow]No browser could be opened here.[/] Use one on any machine.")
    else:
        say(f"[dim]or go straight to {whole}[/]")
    say(f"[dim]Waiting until you have let this terminal in, {begun.get('expires_in', 600) // 60} minutes at most; Ctrl-C stops.[/]")


def _read(what: str) -> str:
    """A secret from standard input: hidden where a person types it."""
    found = typer.prompt(what, hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    return found.strip("\r\n")
