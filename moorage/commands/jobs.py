"""moorage jobs"""

from pathlib import Path
from typing import Annotated

import typer

from moorage.console import Json, Token, Url, dump, market, say, table, working


def add(app: typer.Typer) -> None:
    jobs = typer.Typer(help="List, show, cancel and download your reuse jobs.", invoke_without_command=True)
    app.add_typer(jobs, name="jobs")

    @jobs.callback(invoke_without_command=True)
    def every(context: typer.Context, url: Url = None, token: Token = None, as_json: Json = False) -> None:
        """List your jobs, newest first."""
        if context.invoked_subcommand:
            return
        rows = market(url, token).jobs()
        if as_json:
            return dump(rows)
        if not rows:
            return say("No jobs yet. Next: moorage reuse task.json --data labelled.csv -o predictor/")
        table(["job", "method", "status", "progress"], [[r["id"], r["method"], r["status"], f"{r.get('progress', 0):.0%}"] for r in rows], right=(3,))
        say("Next: moorage jobs show ID")

    @jobs.command()
    def show(job: str, url: Url = None, token: Token = None, as_json: Json = False) -> None:
        """Show one job: state, evidence, lineage."""
        from moorage.commands.reuse import show as evidence

        found = market(url, token).job(job)
        if as_json:
            return dump(found.document)
        say(f"{found.id}: {found.document['method']}, [bold]{found.status}[/] {found.document.get('message', '')}")
        if found.document.get("error"):
            say(f"[red]{found.document['error']['message']}[/] {found.document['error']['hint']}")
        evidence(found.evidence, found.lineage)
        if found.status == "done":
            say(f"Next: moorage jobs download {found.id} -o predictor/")

    @jobs.command()
    def cancel(job: str, url: Url = None, token: Token = None) -> None:
        """End a queued job, or ask a running one to stop."""
        found = market(url, token).job(job).cancel()
        say(f"{found.id} is {found.status}; a running one stops at its next step.")

    @jobs.command()
    def download(
        job: str, out: Annotated[Path, typer.Option("--out", "-o", help="A new folder for the predictor.")] = Path("predictor"),
        url: Url = None, token: Token = None,
    ) -> None:
        """Fetch the predictor of a job that is done."""
        with working("Downloading"):
            market(url, token).job(job).download(out)
        say(f"Next: moorage predict {out} new.csv -o out.csv")

    @jobs.command()
    def offer(
        job: str, name: Annotated[str, typer.Option(help="Name of the new learnware.")], title: str = "", version: str = "1.0.0",
        url: Url = None, token: Token = None,
    ) -> None:
        """Offer the result of a job as a new learnware of yours, with its lineage."""
        with working("Waiting for the check"):
            made = market(url, token).job(job).offer(name, title=title, version=version)
        say(f"[bold]{made['reference']}[/] is {made['status']}.")
