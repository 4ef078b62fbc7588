"""moorage jobs"""

from pathlib import Path
from typing import Annotated

import typer

from moorage.console import USE, Json, Token, Url, dump, market, moving, say, table, working

Id = Annotated[str, typer.Argument(help="Id of the job, as `moorage jobs` lists it.")]


def add(app: typer.Typer) -> None:
    jobs = typer.Typer(help="List, show, cancel and download your reuse jobs.", callback=every, invoke_without_command=True)
    for command in (show, cancel, download, offer):
        jobs.command()(command)
    app.add_typer(jobs, name="jobs", rich_help_panel=USE)


def every(context: typer.Context, url: Url = None, token: Token = None, as_json: Json = False) -> None:
    """List your jobs, newest first.

    Example: moorage jobs
    """
    if context.invoked_subcommand:
        return
    rows = market(url, token).jobs()
    if as_json:
        return dump(rows)
    if not rows:
        return say("No jobs yet. Next: moorage reuse task.json --data labelled.csv -o predictor/")
    table(["job", "method", "status", "progress"], [[r["id"], r["method"], r["status"], f"{r.get('progress', 0):.0%}"] for r in rows], right=(3,))
    say("Next: moorage jobs show ID")


def show(job: Id, url: Url = None, token: Token = None, as_json: Json = False) -> None:
    """Show one job: state, evidence, lineage.

    Example: moorage jobs show 6a521542-3666-4cf6-ba1d-93871496fe4f
    """
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


def cancel(job: Id, url: Url = None, token: Token = None, as_json: Json = False) -> None:
    """End a queued job, or ask a running one to stop.

    Example: moorage jobs cancel 6a521542-3666-4cf6-ba1d-93871496fe4f
    """
    found = market(url, token).job(job).cancel()
    if as_json:
        return dump(found.document)
    say(f"{found.id} is {found.status}; a running one stops at its next step.")


def download(
    job: Id, out: Annotated[Path, typer.Option("--out", "-o", help="A new folder for the predictor.")] = Path("predictor"),
    url: Url = None, token: Token = None, as_json: Json = False,
) -> None:
    """Fetch the predictor of a job that is done.

    Example: moorage jobs download 6a521542-3666-4cf6-ba1d-93871496fe4f -o predictor/
    """
    with moving("Downloading") as (moved, _):
        market(url, token).job(job).download(out, progress=lambda done, total: moved("predictor.zip", done, total))
    if as_json:
        return dump({"job": job, "folder": str(out)})
    say(f"Next: moorage predict {out} new.csv -o out.csv")


def offer(
    job: Id, name: Annotated[str, typer.Option(help="Name of the new learnware.")],
    title: Annotated[str, typer.Option(help="Its title; made of the name when left out.")] = "",
    version: Annotated[str, typer.Option(help="Three numbers.")] = "1.0.0",
    url: Url = None, token: Token = None, as_json: Json = False,
) -> None:
    """Offer the result of a job as a new learnware of yours, with its lineage.

    Example: moorage jobs offer 6a521542-3666-4cf6-ba1d-93871496fe4f --name prices-of-cities
    """
    with working("Waiting for the check"):
        made = market(url, token).job(job).offer(name, title=title, version=version)
    if as_json:
        return dump(made)
    say(f"[bold]{made['reference']}[/] is {made['status']}.")
