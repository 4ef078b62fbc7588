"""moorage cache"""

from typing import Annotated

import typer

from moorage.console import USE, Json, dump, say, size


def add(app: typer.Typer) -> None:
    cache = typer.Typer(help="Show what was fetched before and how much it is, or clear it.", invoke_without_command=True)
    app.add_typer(cache, name="cache", rich_help_panel=USE)

    @cache.callback(invoke_without_command=True)
    def show(context: typer.Context, as_json: Json = False) -> None:
        """Show where the cache is, and how much it holds.

        Example: moorage cache
        """
        if context.invoked_subcommand:
            return
        from moorage.cache import Cache, home

        held = Cache("").size()
        if as_json:
            return dump({"folder": str(home()), "files": held.files, "bytes": held.bytes, "documents": held.documents})
        say(f"[bold]{home()}[/] holds {held.files} files of learnwares ({size(held.bytes)}) and {held.documents} documents.")
        say("Next: moorage cache clear" if held.files or held.documents else "Next: moorage download owner/name")

    @cache.command()
    def clear(
        yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
        as_json: Json = False,
    ) -> None:
        """Throw away what was fetched, of every market. Folders that you downloaded to keep their files.

        Example: moorage cache clear --yes
        """
        from moorage.cache import Cache, home

        if not yes:
            typer.confirm(f"Clear {home()}, {size(Cache('').size().bytes)}?", abort=True, err=True)
        held = Cache("").clear()
        if as_json:
            return dump({"folder": str(home()), "files": held.files, "bytes": held.bytes})
        say(f"{held.files} files, {size(held.bytes)}, are gone from {home()}.")
