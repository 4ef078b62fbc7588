"""moorage reuse"""

from pathlib import Path
from typing import Annotated

import typer

from moorage.console import USE, Json, Token, Url, dump, market, read_params, say, table, working


def add(app: typer.Typer) -> None:
    @app.command(rich_help_panel=USE)
    def reuse(
        description: Annotated[Path, typer.Argument(help="What `moorage describe` wrote.")],
        data: Annotated[Path | None, typer.Option("--data", "-d", help="A CSV with labelled rows; 20 to 100 are enough. It is sent to the market.")] = None,
        target: Annotated[str | None, typer.Option("--target", "-t", help="The column with the labels; the description knows it too.")] = None,
        method: Annotated[str, typer.Option("--method", "-m", help="auto, or one such as ensemble/hedged, merge/average, finetune/head.")] = "auto",
        params: Annotated[str, typer.Option(help='Parameters of the method as JSON, such as {"alpha": 0.3}.')] = "{}",
        rows: Annotated[Path | None, typer.Option("--rows", help="A CSV of rows without labels: to distil on, and to see how far the models disagree.")] = None,
        local: Annotated[bool, typer.Option("--local", help="Fetch the models and do everything here: no row leaves this machine.")] = False,
        budget: Annotated[float, typer.Option(help="With --local: seconds in which methods are compared.")] = 600.0,
        out: Annotated[Path, typer.Option("--out", "-o", help="A new folder for the predictor.")] = Path("predictor"),
        url: Url = None, token: Token = None, as_json: Json = False,
    ) -> None:
        """Make one predictor of the models that fit, choose by your labels how, and download it.

        Example: moorage reuse task.json --data labelled.csv --target price --method auto -o predictor/
        """
        import specs
        from moorage import folders, tables
        from moorage.errors import Refused

        folders.insist_on_new(out)
        wanted = read_params(params, '{"alpha": 0.3}')
        requirement = specs.Specification.read(description)
        target = target or requirement.semantic.get("target")
        if data is not None:
            if target is None:
                raise Refused("Labelled rows need --target, the column with the labels.", code="no-target", hint="Name it with --target.")
            tables.read_labelled(data, target)
        if local:
            with working("Matching") as step:
                made = market(url, token).reuse_here(requirement, out, data=data, target=target, rows=rows, method=method, params=wanted, budget_s=budget, seen=step)
            if as_json:
                return dump({"folder": str(out), "evidence": made.evidence, "lineage": made.lineage})
            show(made.evidence, made.lineage)
            say(f"[bold]{out}[/] holds the predictor, card.md what it is. Nothing but the requirement left this machine.")
            return say(f"Next: moorage predict {out} new.csv -o out.csv, or moorage offer {out} --name NAME")
        with working("Matching") as step:
            job = market(url, token).reuse(requirement, data=data, target=target, rows=rows, method=method, params=wanted)
            job.wait(seen=lambda row: step(row.get("message") or row["status"], row.get("progress")))
            step("Downloading")
            job.download(out)
        if as_json:
            return dump({"job": job.id, "folder": str(out), "url": job.url, "evidence": job.evidence, "lineage": job.lineage})
        show(job.evidence, job.lineage)
        say(f"[bold]{out}[/] holds the predictor. In the browser: {job.url}")
        say(f"Next: moorage predict {out} new.csv -o out.csv")


def show(evidence: dict, lineage: dict) -> None:
    """The leaderboard, the rule, the warnings, and what the result is made of."""
    if evidence.get("leaderboard"):
        rows = [["→" if r["chosen"] else "", r["method"], f"{r['score']:.4g}", f"{r['low']:.4g} – {r['high']:.4g}"] for r in evidence["leaderboard"]]
        table(["", "method", evidence["metric"], "95 %"], rows, right=(2,))
        say(f"Cross-validated on your {evidence['rows']} labelled rows. {evidence['rule']}")
    if nested := evidence.get("nested"):
        say(f"Expect [bold]{nested['score']:.4g}[/] ({nested['low']:.4g} – {nested['high']:.4g}) of new rows: nested cross-validation, the choice included.")
    if shares := evidence.get("shares"):
        say("Blended of " + ", ".join(f"{address} {share:.0%}" for address, share in shares.items()))
    if curve := evidence.get("curve"):
        say(f"{curve['parameter']} = {curve['chosen']:g} was chosen on {curve['rows']} rows: " + ", ".join(f"{p['value']:g}: {p['score']:.4g}" for p in curve["points"]))
    if found := evidence.get("distilled"):
        say(f"The compact model agrees with {found['teacher']} to {found['agreement']:.3f} on {found['held']} rows that it never saw.")
    for warning in evidence.get("warnings", []):
        say(f"[yellow]{warning}[/]")
    members = lineage.get("members", [])
    if members:
        say("Made of: " + ", ".join(m["reference"] for m in members) + f" (licence of the result: {lineage.get('licence') or 'none fits all'})")
