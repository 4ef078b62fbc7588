"""Merging of whole checkpoints: `moorage merge` beside mergekit's command line and beside reading the inputs and writing the output.

Random Llama-like checkpoints, a base and three fine-tunes (base + noise), in bfloat16 (374 M numbers) and float32 (194 M). Each figure is of a whole process on
one core with the files in the page cache: CPU seconds (user + system) and the peak of resident memory, mapped pages of files included; the lowest of the passes,
ours and mergekit's in turns. Our first run compiles its loops into an empty cache and is given apart. The limit reads every input once and writes one output. Start is
a merge of 0.1 MB; it is held in all figures.

What is compared, and where mergekit 0.1.5 differs:
linear              the mean. Alike.
task arithmetic     weight 1 for each model, lambda for our scale. mergekit adds up in the files' own type: in bfloat16 each difference, each sum and the result are
                    rounded. `dtype: float32, out_dtype: bfloat16` makes it round once, as we do; this is what is compared number by number ("wide"), and its time
                    is taken from whichever of the two costs less CPU.
TIES                thresholds of each tensor (our per_tensor), weights 1 and normalize: the sum divided by the number of models that agree, as ours. It keeps exactly
                    int(density n), choosing among equals by the order of an unstable sort, we all that equal the last. Where the sum is 0 it elects plus, we nothing.
breadcrumbs         density = our keep, gamma = our drop_top, normalize off, lambda for our scale. Equals as above. It drops nothing from the top where density >= 1.
DARE                linear. It rescales by the ratio of the L1 norms before and after, we by 1 / (1 - drop); its masks are its own, so only the cost is compared.
SLERP               alike (both go straight where |cos| > .9995, so the second is of another base here); ours names two models, its first is `base_model`.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import peers
from benchmarks.report import Row, main, table

FOLDER = peers.ROOT / "var" / "benchmarks" / "merge"
MIB = 2**20
MODELS = {"base": (1, 0.0), "one": (2, 0.002), "two": (3, 0.0015), "three": (4, 0.003), "other": (5, 0.015)}  # seed, scale of the noise
TUNED = ("one", "two", "three")


@dataclass(frozen=True)
class Shape:
    """A Llama: its configuration decides the tensors."""

    name: str
    dtype: str
    layers: int
    hidden: int
    inner: int
    vocabulary: int

    @property
    def folder(self) -> Path:
        return FOLDER / self.name

    @property
    def width(self) -> int:
        return 2 if self.dtype == "bfloat16" else 4

    @property
    def largest(self) -> int:
        return self.vocabulary * self.hidden * self.width

    def tensors(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        h, i = self.hidden, self.inner
        yield "model.embed_tokens.weight", (self.vocabulary, h)
        for layer in range(self.layers):
            at = f"model.layers.{layer}."
            yield at + "input_layernorm.weight", (h,)
            for part in "qkvo":
                yield at + f"self_attn.{part}_proj.weight", (h, h)
            yield at + "post_attention_layernorm.weight", (h,)
            yield at + "mlp.gate_proj.weight", (i, h)
            yield at + "mlp.up_proj.weight", (i, h)
            yield at + "mlp.down_proj.weight", (h, i)
        yield "model.norm.weight", (h,)
        yield "lm_head.weight", (self.vocabulary, h)

    def config(self) -> dict[str, Any]:
        heads = max(1, self.hidden // 64)
        return {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": self.hidden, "intermediate_size": self.inner, "num_hidden_layers": self.layers, "num_attention_heads": heads,
                "num_key_value_heads": heads, "vocab_size": self.vocabulary, "rms_norm_eps": 1e-5, "hidden_act": "silu", "tie_word_embeddings": False, "torch_dtype": self.dtype, "max_position_embeddings": 2048}


LARGE = (Shape("bf16", "bfloat16", 24, 1024, 2816, 32_000), Shape("fp32", "float32", 10, 1024, 2816, 32_000))
TINY = Shape("tiny", "bfloat16", 1, 64, 128, 128)
SMALL = (Shape("bf16-small", "bfloat16", 2, 256, 704, 2_000), Shape("fp32-small", "float32", 2, 256, 704, 2_000))


@dataclass(frozen=True)
class Case:
    """The same merge twice: what `moorage merge` is told, and what mergekit is; `less` and `floor` are the goals against mergekit's CPU and the limit's."""

    name: str
    method: str
    params: dict[str, Any]
    theirs: str
    lam: float | None = None
    each: dict[str, Any] = field(default_factory=dict)
    models: tuple[str, ...] = TUNED
    based: bool = True
    shared: dict[str, Any] = field(default_factory=dict)
    compared: bool = True
    less: float | None = None
    floor: float | None = None

    @property
    def read(self) -> tuple[str, ...]:
        return (("base",) if self.based else ()) + self.models


CASES = (
    Case("linear", "average", {}, "linear", each={"weight": 1.0}, based=False, less=4, floor=3),
    Case("task arithmetic", "task-arithmetic", {"scale": 0.3}, "task_arithmetic", 0.3, {"weight": 1.0}, less=4, floor=3),
    Case("TIES", "ties", {"density": 0.2, "per_tensor": True}, "ties", 1.0, {"weight": 1.0, "density": 0.2}, shared={"normalize": True}, less=10),
    Case("TIES, whole model", "ties", {"density": 0.2}, "", less=10),
    Case("breadcrumbs", "breadcrumbs", {"keep": 0.85, "drop_top": 0.01, "scale": 0.3}, "breadcrumbs", 0.3, {"weight": 1.0, "density": 0.85, "gamma": 0.01}, less=10),
    Case("DARE", "dare", {"drop": 0.5, "scale": 0.3}, "dare_linear", 0.3, {"weight": 1.0, "density": 0.5}, compared=False),
    Case("SLERP", "slerp", {"t": 0.5}, "slerp", models=("one", "other"), based=False, shared={"t": 0.5}),
)
QUICK = {"bfloat16": ("linear", "TIES", "TIES, whole model", "breadcrumbs", "SLERP"), "float32": ("linear", "TIES")}


def run(arguments: argparse.Namespace) -> list[Row]:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    passes = arguments.seeds or (1 if arguments.quick else 2)
    shapes = [shape for shape in (SMALL if arguments.quick else LARGE) if arguments.only in shape.name]
    peers.python("mergekit")
    for shape in (TINY, *shapes):
        make(shape)
    ours(TINY, CASES[0])
    start = {name: least([once() for _ in range(1 if arguments.quick else 3)]) for name, once in (("ours", lambda: ours(TINY, CASES[0])), ("theirs", lambda: mergekit(TINY, CASES[0], wide=False)))}
    rows = [Row("start", "CPU", "s", start["ours"]["cpu"], peer=start["theirs"]["cpu"]), Row("start", "peak memory", "MB", start["ours"]["peak"], peer=start["theirs"]["peak"])]
    for shape in shapes:
        known: dict[str, dict[str, float]] = {}
        for case in CASES:
            if arguments.case in case.name and not (arguments.quick and case.name not in QUICK[shape.dtype]):
                rows += measure(shape, case, passes, known, start["ours"]["cpu"], quick=arguments.quick)
                print(table(rows[-5:]), file=sys.stderr, flush=True)
    return rows


def measure(shape: Shape, case: Case, passes: int, known: dict[str, dict[str, float]], start: float, *, quick: bool) -> list[Row]:
    """Ours, mergekit's and the limit, in turns. `known` holds what mergekit took in the cases before."""
    wide = shape.dtype == "bfloat16" and case.compared
    if not quick:
        shutil.rmtree(FOLDER / "compiled", ignore_errors=True)
    first = ours(shape, case)
    seen: dict[str, list[dict[str, float]]] = {"ours": [], "limit": [], "plain": [], "wide": []}
    for turn in range(passes):
        for _ in range(1 if quick else 2):
            seen["ours"].append(ours(shape, case))
            seen["limit"].append(limit(shape, case))
        # After the first pass only the cheaper of its two ways.
        ways = [way for way in ("plain", "wide") if case.theirs and (way == "plain" and not (quick and wide) or way == "wide" and wide)]
        if turn and len(ways) == 2:
            ways = [min(ways, key=lambda way: least(seen[way])["cpu"])]
        for way in ways:
            seen[way].append(mergekit(shape, case, wide=way == "wide"))
    low = {name: least(found) for name, found in seen.items() if found}
    mine, floor, at = low["ours"], low["limit"]["cpu"], f"{shape.name} {case.name}"
    ways = [way for way in ("plain", "wide") if way in low]
    theirs = known[case.name] = min((low[way] for way in ways), key=lambda one: one["cpu"]) if ways else known.get("TIES", {})
    rows = []
    if theirs:
        told = [f"wall {mine['wall']:.1f} and {theirs['wall']:.1f} s", f"our first run {first['cpu']:.1f} s"]
        if len(ways) == 2:
            told.append(f"mergekit in bfloat16 {low['plain']['cpu']:.1f}, float32 inside {low['wide']['cpu']:.1f}")
        if not case.theirs:
            told.append("mergekit's: TIES of each tensor")
        times = theirs["cpu"] / mine["cpu"]
        rows.append(Row(at, "CPU beside mergekit", "s", mine["cpu"], peer=theirs["cpu"], note="; ".join([goal(times >= case.less, f"{case.less:g} times less") if case.less and not quick else "", f"{times:.1f} times less", *told]).lstrip("; ")))
    if not quick:
        told = [f"{len(case.read)} files read, one written", f"{(mine['cpu'] - start) / floor:.1f} times beyond the start"]
        rows.append(Row(at, "CPU beside the limit", "s", mine["cpu"], limit=floor, note="; ".join([goal(mine["cpu"] <= case.floor * floor, f"{case.floor:g} times") if case.floor else "", *told]).lstrip("; ")))
    bound = shape.largest * (len(case.read) + 1) / MIB + 200
    rows.append(Row(at, "peak memory", "MB", mine["peak"], peer=theirs.get("peak"), limit=bound, note=goal(mine["peak"] <= bound, f"{bound:.0f} MB")))
    for way in ways if case.compared else []:
        rows.append(agreement(shape, case, way))
    return rows


def goal(met: bool, text: str) -> str:
    return f"goal {text}: {'met' if met else '**missed**'}"


def least(found: list[dict[str, float]]) -> dict[str, float]:
    return {key: min(one[key] for one in found) for key in found[0]}


# What is measured.

def ours(shape: Shape, case: Case) -> dict[str, float]:
    command = [sys.executable, "-m", "moorage", "merge", *(shape.folder / name for name in case.models), *(["--base", shape.folder / "base"] if case.based else ()),
               "--method", case.method, "--params", json.dumps(case.params), "-o", fresh(shape, "ours") / "model.safetensors"]
    return watched(command, {"NUMBA_CACHE_DIR": str(FOLDER / "compiled")})


def mergekit(shape: Shape, case: Case, *, wide: bool) -> dict[str, float]:
    folder = fresh(shape, "wide" if wide else "plain")
    models = [{"model": str(shape.folder / name), "parameters": case.each} for name in case.models]
    shared = case.shared | ({"lambda": case.lam} if case.lam is not None else {})
    base = {"base_model": str(shape.folder / ("base" if case.based else case.models[0]))} if case.based or case.theirs == "slerp" else {}
    recipe = {"merge_method": case.theirs, "models": models, "parameters": shared, **base, **({"dtype": "float32", "out_dtype": shape.dtype} if wide else {"dtype": shape.dtype})}
    recipe_file = FOLDER / "recipe.yaml"
    recipe_file.write_text(json.dumps(recipe))  # JSON is YAML
    command = [peers.FOLDER / "mergekit" / "bin" / "mergekit-yaml", recipe_file, folder, "--no-cuda", "--no-copy-tokenizer", "--no-write-model-card", "--quiet", "--num-threads", "1", "--random-seed", "1"]
    return watched(command, {"HF_HUB_OFFLINE": "1"})


# Every input read once through one buffer; the last one's bytes are written as they come.
LIMIT = """
import sys
*paths, target = sys.argv[1:]
buffer = memoryview(bytearray(1 << 20))
with open(target, "wb", buffering=0) as out:
    for place, path in enumerate(paths):
        with open(path, "rb", buffering=0) as file:
            while n := file.readinto(buffer):
                if place == len(paths) - 1:
                    out.write(buffer[:n])
"""


def limit(shape: Shape, case: Case) -> dict[str, float]:
    return watched([sys.executable, "-ISc", LIMIT, *(shape.folder / name / "model.safetensors" for name in case.read), fresh(shape, "limit") / "model.safetensors"], {})


# A child's peak begins at its parent's, so a small process stands between. It passes on what the command wrote, as its own.
WATCH = """
import json, os, sys, time
began = time.perf_counter()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, used = os.wait4(child, 0)
print(json.dumps({"wall": time.perf_counter() - began, "cpu": used.ru_utime + used.ru_stime, "peak": used.ru_maxrss / 1024, "code": os.waitstatus_to_exitcode(status)}))
"""


def watched(command: list[Any], more: dict[str, str]) -> dict[str, float]:
    """Wall and CPU seconds and peak MB of a command run to its end."""
    environment = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1") | more
    ran = subprocess.run([sys.executable, "-ISc", WATCH, *map(str, command)], env=environment, cwd=peers.ROOT, capture_output=True, text=True)
    found = json.loads(ran.stdout.splitlines()[-1]) if ran.stdout else {"code": ran.returncode}
    if found.pop("code"):
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{ran.stdout[-2000:]}{ran.stderr[-4000:]}")
    return found


def fresh(shape: Shape, name: str) -> Path:
    folder = shape.folder / "out" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


# Checkpoints.

def make(shape: Shape) -> None:
    """The shape's checkpoints, written once; in a process of its own, so that this one stays small."""
    said = json.dumps([shape.config(), MODELS])
    if (shape.folder / "made.json").exists() and (shape.folder / "made.json").read_text() == said:
        return
    print(f"Making {shape.folder} (once) …", file=sys.stderr, flush=True)
    shutil.rmtree(shape.folder, ignore_errors=True)
    for name in MODELS:
        (shape.folder / name).mkdir(parents=True)
        (shape.folder / name / "config.json").write_text(json.dumps(shape.config()))
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, size in shape.tensors():
        end = at + int(np.prod(size)) * shape.width
        header[name] = {"dtype": "BF16" if shape.width == 2 else "F32", "shape": size, "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    base, *noise = (np.random.default_rng(seed) for seed, _ in MODELS.values())
    files = [(shape.folder / name / "model.safetensors").open("wb") for name in MODELS]
    for file in files:
        file.write(len(text).to_bytes(8, "little") + text)
    for _, size in shape.tensors():
        for rows in np.array_split(np.arange(int(np.prod(size))), max(1, int(np.prod(size)) // 2_000_000)):
            W = np.float32(1) if len(size) == 1 else np.float32(0)
            W = W + base.standard_normal(len(rows), dtype=np.float32) * np.float32(0.02)
            for file, (_, scale), rng in zip(files, MODELS.values(), [None, *noise], strict=True):
                X = W if rng is None else W + rng.standard_normal(len(rows), dtype=np.float32) * np.float32(scale)
                file.write(narrowed(X).data if shape.width == 2 else X.data)
    for file in files:
        file.close()
    (shape.folder / "made.json").write_text(said)


def narrowed(X: np.ndarray) -> np.ndarray:
    """The bits of bfloat16, rounded to nearest, ties to even."""
    bits = X.view(np.uint32)
    return ((bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)).astype(np.uint16)


# Agreement.

def agreement(shape: Shape, case: Case, way: str) -> Row:
    """The share of numbers more than 1e-7 and more than a step of bfloat16 (two of float32) apart; why, where thresholds are."""
    mine, theirs = (Tensors(shape.folder / "out" / which / "model.safetensors") for which in ("ours", way))
    if set(mine.header) != set(theirs.header):
        raise SystemExit(f"{case.name}: other tensors than mergekit's: {sorted(set(mine.header) ^ set(theirs.header))[:5]}")
    inputs = [Tensors(shape.folder / name / "model.safetensors") for name in case.read]
    total = apart = unequal = unexplained = undecided = 0
    furthest, worst, worst_share = 0.0, "", 0.0
    for key in mine.header:
        marks = thresholds(case, [one.whole(key) for one in inputs]) if case.each.keys() & {"density"} else None
        here = at = 0
        for (A, X), (B, Y), *blocks in zip(mine.blocks(key), theirs.blocks(key), *(one.blocks(key) for one in inputs), strict=True):
            gap, distance = np.abs(X - Y), np.abs(ordered(A) - ordered(B))
            far = (gap > 1e-7) & (distance > (1 if shape.width == 2 else 2))
            here += int(np.count_nonzero(far))
            unequal += int(np.count_nonzero(distance))
            at += len(X)
            furthest = max(furthest, float(gap.max(initial=0)))
            if marks is not None and far.any():
                D = np.stack([W[far] - blocks[0][1][far] for _, W in blocks[1:]])
                free = np.any([np.isin(np.abs(change), mark) for change, mark in zip(D, marks, strict=True)], axis=0)
                kept = np.where(np.abs(D) >= np.array([[mark[-1]] for mark in marks]), D, 0)
                even = ~free & (case.method == "ties") & (kept.sum(axis=0) == 0)
                undecided += int(np.count_nonzero(even))
                unexplained += int(np.count_nonzero(~free & ~even))
        total, apart = total + at, apart + here
        if here / at > worst_share:
            worst, worst_share = key, here / at
    told = [f"largest difference {furthest:.2g}", f"other bits at all {unequal / total:.2%}"]
    if case.each.keys() & {"density"}:
        told.append(f"{apart:,} apart: {apart - unexplained - undecided:,} where a change equals a threshold, {undecided:,} where the sum is 0, {unexplained:,} else")
    if worst:
        told.append(f"most in {worst}, {worst_share:.2%}")
    inside = "" if shape.width == 4 else (", float32 inside" if way == "wide" else ", bfloat16 inside")
    return Row(f"{shape.name} {case.name}", f"numbers apart from mergekit's{inside}", "%", 100 * apart / total, note="; ".join(told))


def thresholds(case: Case, whole: list[np.ndarray]) -> list[np.ndarray]:
    """Of each model, the sizes of change at which a tensor's numbers begin and cease to be kept: where equals are, the choice among them is free."""
    n, density, gamma = whole[0].size, case.each["density"], case.each.get("gamma", 0.0)
    top, kept = int(gamma * n), max(1, int(density * n))
    places = sorted({n - 1 - place for place in (top - 1, top, top + kept - 1, top + kept) if 0 <= place < n})
    return [np.partition(np.abs(W - whole[0]), places)[places] for W in whole[1:]]


class Tensors:
    """A safetensors file's blocks as (bits, float32)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            self.header = {key: value for key, value in json.loads(file.read(size)).items() if key != "__metadata__"}
        self.start = 8 + size

    def whole(self, key: str) -> np.ndarray:
        return np.concatenate([values for _, values in self.blocks(key)])

    def blocks(self, key: str, step: int = 4_000_000) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        kind = {"BF16": np.uint16, "F32": np.uint32}[self.header[key]["dtype"]]
        first, last = self.header[key]["data_offsets"]
        with self.path.open("rb") as file:
            file.seek(self.start + first)
            left = (last - first) // np.dtype(kind).itemsize
            while left:
                bits = np.fromfile(file, kind, min(step, left))
                left -= len(bits)
                yield bits, bits.view(np.float32) if kind is np.uint32 else (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)


def ordered(bits: np.ndarray) -> np.ndarray:
    """Integers in the order of the numbers, one apart for neighbours; -0 and 0 are one."""
    top = 1 << (8 * bits.itemsize - 1)
    wide = bits.astype(np.int64)
    return np.where(wide >= top, top - wide, wide)


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", default="", help="checkpoints whose name holds this: bf16, fp32")
    parser.add_argument("--case", default="", help="cases whose name holds this")


if __name__ == "__main__":
    main("merge", run, doc=__doc__, packages=("numpy", "numba", "safetensors"), more=more)
