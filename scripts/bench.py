"""Speed, memory and latency of conversions, in one run.

python -m scripts.bench [MODEL...] [--onnx-folder DIR] [--repeats 3] [--rounds 30] [--chain 4000 8000] [--json FILE]

A MODEL is `torchvision:NAME`, `timm:NAME` (random weights, exported once, outside of what is measured) or an .onnx
file. Everything is measured in fresh processes on one core: a conversion goes from the .onnx file to the Keras model in
memory, without verification, after the imports. `--check` ends with 1 where one of the project's targets is missed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from scripts.bench_targets import Target, judge
from scripts.children import Result, measure
from scripts.machine import describe_machine

DEFAULT_MODELS = ("torchvision:resnet50", "torchvision:mobilenet_v2", "torchvision:vit_b_16", "torchvision:swin_t")
HANDWRITTEN = {"torchvision:resnet50": "resnet50", "torchvision:mobilenet_v2": "mobilenet_v2"}
"""Modules of models.handwritten, by the model that they are written after."""

WIDTH = 140
"""Characters in a line, where the output is no terminal."""


@dataclass(frozen=True)
class Effort:
    """How much is measured: conversions per model, rounds of calls per batch size."""

    repeats: int
    rounds: int
    batches: Sequence[int]
    latency: bool = True
    proof: bool = True


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    screen = Console(stderr=True)
    effort = Effort(options.repeats, options.rounds, options.batches, options.latency, options.proof)
    with tempfile.TemporaryDirectory(prefix="keraport-bench-") as temporary:
        folder = options.onnx_folder or Path(temporary)
        models = []
        for name in options.models or DEFAULT_MODELS:
            with screen.status(name):
                models.append(bench_model(name, exported(name, folder), effort))
        with screen.status("chain"):
            chain = bench_chain(options.chain, options.repeats) if options.chain else None
    result = {"machine": describe_machine(), "models": models, "chain": chain}
    targets = judge(result)
    result["targets"] = [target.to_dict() for target in targets]
    show(Console(width=None if Console().is_terminal else WIDTH), result, targets)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return int(options.check and not all(target.met for target in targets))


def exported(name: str, folder: Path) -> Path:
    """The model as an .onnx file in the folder; one that is there is taken as it is."""
    if name.endswith(".onnx"):
        return Path(name)
    file = folder / f"{name.replace(':', '_')}.onnx"
    if not file.exists():
        measure("scripts.export_onnx", name, file)
    return file


def bench_model(name: str, file: Path, effort: Effort) -> Result:
    """Everything about one model; times are medians of fresh processes, memory is the greatest of them."""
    runs = [measure("scripts.bench_convert", file) for _ in range(effort.repeats)]
    result: Result = {"name": Path(name).name, **runs[-1]}
    for key in ("seconds", "cpu_seconds"):
        result[key] = statistics.median(run[key] for run in runs)
    for key in ("peak_bytes", "peak_multiple"):
        result[key] = max(run[key] for run in runs)
    for part in ("stages", "passes"):
        result[part] = {stage: statistics.median(run[part][stage] for run in runs) for stage in runs[0][part]}
    if effort.proof:
        result |= measure("scripts.bench_proof", file)
    if effort.latency:
        options: list[str | int] = ["--rounds", effort.rounds, "--batches", *effort.batches]
        if name in HANDWRITTEN:
            options += ["--handwritten", HANDWRITTEN[name]]
        result |= measure("scripts.bench_latency", file, *options)
    return result


def bench_chain(sizes: Sequence[int], repeats: int) -> Result:
    """Chains in turn, so that noise hits all of them; the least of the times of each has the least noise in it."""
    runs = [[measure("scripts.bench_chain", size) for size in sizes] for _ in range(repeats)]
    best = [min((turn[index] for turn in runs), key=lambda run: float(run["seconds"])) for index in range(len(sizes))]
    return {"runs": best, "ratio": best[-1]["seconds"] / best[0]["seconds"]}


def show(screen: Console, result: Result, targets: Sequence[Target]) -> None:
    for label, value in result["machine"].items():
        screen.print(f"[bold]{label}[/] {value}")
    stages = list(result["models"][0]["stages"]) if result["models"] else []
    told = ("/ loading", "Proof / calls", "Peak / weights", "Operations", "Transposes")
    table = Table("Model", "Seconds", *stages, *told, box=None)
    for model in result["models"]:
        times = [f"{model['stages'][stage]:.2f}" for stage in stages]
        ratios = [f"{model[key]:.2f}" if model.get(key) else "" for key in ("to_load", "to_forward", "peak_multiple")]
        row = [f"{model['seconds']:.2f}", *times, *ratios, model["operations"], model["transposes"]]
        table.add_row(model["name"], *map(str, row))
    screen.print(table)
    screen.print(_latencies(result["models"]))
    if result["chain"]:
        for run in result["chain"]["runs"]:
            screen.print(f"Chain of {run['nodes']:,} nodes: {run['seconds']:.2f} s")
    for target in targets:
        screen.print(("[green]met[/]    " if target.met else "[red]missed[/] ") + str(target))


def _latencies(models: Sequence[Result]) -> Table:
    names = ("converted", "handwritten", "onnxruntime")
    table = Table("Latency, ms", "Batch", *names, "/ handwritten", "/ onnxruntime", box=None)
    for model in models:
        for entry in model.get("latency", ()):
            times = [f"{entry[f'{name}_ms']:.1f}" if f"{name}_ms" in entry else "" for name in names]
            ratios = [f"{entry[key]:.3f}" if key in entry else "" for key in ("to_handwritten", "to_onnxruntime")]
            table.add_row(model["name"], str(entry["batch"]), *times, *ratios)
    return table


def _parse(arguments: Sequence[str] | None) -> Any:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"default: {' '.join(DEFAULT_MODELS)}")
    parser.add_argument("--onnx-folder", type=Path, help="where exported files are kept and looked for")
    parser.add_argument("--repeats", type=int, default=3, help="conversions of each model")
    parser.add_argument("--rounds", type=int, default=30, help="turns of the latency measurement")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--no-latency", dest="latency", action="store_false")
    parser.add_argument("--no-proof", dest="proof", action="store_false")
    parser.add_argument("--chain", type=int, nargs="*", default=[4000, 8000], help="lengths; none skips it")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--check", action="store_true", help="end with 1 where a target is missed")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
