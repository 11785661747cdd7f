"""Whole processes, from the command to its end, against what they cannot do without.

python -m scripts.bench_start [--onnx FILE] [--rounds 5]

A conversion of an .onnx file is compared with a process that imports onnxruntime and Keras, loads the result and
predicts once; a conversion of a PyTorch model with one that exports the same model with torch itself, and then does the
same; `--help` with a Python that does nothing. The two take turns, so that noise hits both; ratios are those of the
medians.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from scripts.children import ROOT
from scripts.machine import describe_machine

PREDICT = """
import sys
import onnxruntime
import keras
import numpy as np
model = keras.models.load_model(sys.argv[1])
model.predict([np.zeros([size or 1 for size in x.shape], x.dtype) for x in model.inputs], verbose=0)
"""
EXPORT = """
import torch
from converter.sources.torchvision_import import import_torchvision
import_torchvision()
import torchvision
torch.onnx.export(torchvision.models.resnet18().eval(), (torch.zeros(1, 3, 224, 224),), sys.argv[2], dynamo=True)
"""
NOTHING = "pass"


@dataclass(frozen=True)
class Pair:
    """A command, what it is compared with, and the greatest ratio that the project allows itself."""

    name: str
    command: Sequence[str]
    reference: Sequence[str]
    target: float


def pairs(onnx: Path, folder: Path) -> list[Pair]:
    """What is measured; the conversions write the models that their references load."""
    file, module = str(folder / "file.keras"), str(folder / "module.keras")
    convert = ("-m", "converter", "convert")
    exported = "import sys\n" + EXPORT + PREDICT
    return [
        Pair("help", ("-m", "converter", "--help"), ("-c", NOTHING), 12),
        Pair(onnx.name, (*convert, str(onnx), "-o", file), ("-c", PREDICT, file), 1.15),
        Pair(
            "torchvision:resnet18",
            (*convert, "torchvision:resnet18", "--random-weights", "0", "-o", module),
            ("-c", exported, module, str(folder / "module.onnx")),
            1.2,
        ),
    ]


def measure(pair: Pair, rounds: int) -> tuple[float, float]:
    """Median seconds of the command and of its reference; a first turn warms the bytecode and is not counted."""
    turns = [(_seconds(pair.command), _seconds(pair.reference)) for _ in range(rounds + 1)][1:]
    commands, references = zip(*turns, strict=True)
    return statistics.median(commands), statistics.median(references)


def _seconds(arguments: Sequence[str]) -> float:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments[:3])} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return time.perf_counter() - start


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--onnx", type=Path, default=ROOT.parent / "shared" / "zoo" / "yunet_n_320_320.onnx")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    table = Table("Process", "Seconds", "Reference", "Ratio", "Target", box=None)
    with tempfile.TemporaryDirectory(prefix="keraport-bench-") as folder:
        for pair in pairs(options.onnx, Path(folder)):
            command, reference = measure(pair, options.rounds)
            row = (f"{command:.2f}", f"{reference:.2f}", f"{command / reference:.2f}", f"{pair.target:g}")
            table.add_row(pair.name, *row)
    screen = Console()
    screen.print(table)
    for label, value in describe_machine().items():
        screen.print(f"[bold]{label}[/] {value}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
