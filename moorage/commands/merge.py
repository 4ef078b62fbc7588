"""moorage merge"""

from pathlib import Path
from typing import Annotated

import typer

from moorage.console import USE, Json, dump, read_params, say, working


def add(app: typer.Typer) -> None:
    @app.command(rich_help_panel=USE)
    def merge(
        models: Annotated[list[Path], typer.Argument(help="safetensors files, or folders with model.safetensors or its index of shards.")],
        out: Annotated[Path, typer.Option("--out", "-o", help="A new .safetensors file, or a folder where --shard-gb is given.")],
        base: Annotated[Path | None, typer.Option("--base", "-b", help="The checkpoint that all were fine-tuned from.")] = None,
        method: Annotated[str, typer.Option("--method", "-m", help="average, wise-ft, task-arithmetic, breadcrumbs, ties, dare, slerp, tsv, iso-c, regmean, fisher.")] = "average",
        params: Annotated[str, typer.Option(help='Parameters of the method as JSON, such as {"scale": 0.3}.')] = "{}",
        statistics: Annotated[list[Path] | None, typer.Option(help="For regmean and fisher: each model's statistics.safetensors, in the models' order.")] = None,
        shard_gb: Annotated[float, typer.Option(help="Write shards of at most this many GB, with an index, into a folder.")] = 0.0,
        unrelated: Annotated[bool, typer.Option("--unrelated", help="Do not check that the weights point the same way.")] = False,
        as_json: Json = False,
    ) -> None:
        """Merge checkpoints of one family on this machine, tensor by tensor, in little memory.

        Example: moorage merge one/ two/ three/ --base base/ --method ties --params '{"density": 0.2}' -o merged.safetensors
        """
        import time

        from moorage.errors import Refused
        from reuse import registry
        from reuse.weights import Checkpoint, merging

        if out.exists():
            raise Refused(f"{out} exists.", code="file-exists", hint="Name another with -o.")
        values = read_params(params, '{"scale": 0.3}')
        if shard_gb and not 1e-9 <= shard_gb <= 1_000:
            raise Refused(f"--shard-gb must be above 0 and at most 1000; got {shard_gb:g}.", code="wrong-shards", hint="Leave it out for one file.")
        address = method if "/" in method else f"merge/{method}"
        needs = registry.find(address)
        if needs.kind == "merge" and needs.needs_labels:
            raise Refused(f"{address} chooses by labelled rows, which a merge of files has none of.", code="labels-needed", hint="Take average, or a reuse job with labels.")
        if needs.needs_statistics and not statistics:
            raise Refused(f"{address} needs what each owner tells of the data; none came.", code="statistics-needed", hint="Name each model's statistics.safetensors with --statistics, in order.")
        if statistics and len(statistics) != len(models):
            raise Refused(f"--statistics is given once for each model; got {len(statistics)} for {len(models)}.", code="wrong-statistics", hint="Name them in the models' order.")
        told = None
        if statistics:
            from reuse.weights import statistics as published  # loads what a merge without them does not need

            told = [published.read(path) for path in statistics]
        began = time.perf_counter()
        opened = [Checkpoint.open(path, str(path)) for path in models]
        origin = Checkpoint.open(base, str(base)) if base else None
        if not unrelated:
            merging.akin(opened, origin)
        with working("Merging") as step:
            merging.merge(opened, origin, address, values, out, statistics=told,
                          shard_bytes=int(shard_gb * 1e9), seen=lambda done, name: step(name, done))
        facts = {"out": str(out), "method": address, "models": [str(path) for path in models], "base": str(base) if base else None,
                 "bytes": opened[0].nbytes, "tensors": len(opened[0].layouts), "seconds": round(time.perf_counter() - began, 3)}
        if as_json:
            return dump(facts)
        say(f"[bold]{out}[/]: {facts['tensors']} tensors, {facts['bytes']:,} bytes, by {address} in {facts['seconds']:g} s.")
