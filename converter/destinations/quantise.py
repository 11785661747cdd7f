"""How a LiteRT file is made smaller, and what it is calibrated with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from converter.destinations.kinds import Destination
from converter.example_files import IMAGES, load_examples
from converter.options import Options
from passes.errors import UsageError

Array = np.ndarray[Any, np.dtype[Any]]

KINDS: Mapping[str, float] = {"float16": 40.0, "dynamic": 20.0, "int8": 15.0}
"""By name, the decibels of signal to noise that have to be left in every output, unless others are asked for."""


@dataclass(frozen=True)
class Quantisation:
    """Attributes:
    kind: "float16" weights; "dynamic": weights of 8 bits; "int8": these, and 8 bits between the layers.
    samples: inputs to calibrate with, axes as in the source, one batch each.
    least: decibels of signal to noise that every output has to keep.
    """

    kind: str
    samples: Sequence[Mapping[str, Array]] = ()
    least: float = 0.0


def quantisation(
    options: Options, inputs: Sequence[ir.Value], destinations: Sequence[Destination]
) -> Quantisation | None:
    """How LiteRT files are made smaller, with the samples read; said before anything else is done.

    Args:
        inputs: of the source's graph.

    Raises:
        UsageError: there is no such kind or no such file to be written, int8 without samples, samples that do not fit
            the inputs, or a dtype policy, which no other file than Keras' own can have.
    """
    if options.dtype_policy is not None and destinations:
        raise UsageError(
            f"A dtype policy is one of Keras, and of .keras files. Received: an output of {destinations[0].format}.",
            hint="Convert it without: --quantise makes a LiteRT file smaller.",
        )
    kind, least = options.quantise, None if options.dtype_policy is not None else options.least_signal
    if kind is not None and all(each.format != "tflite" for each in destinations):
        raise UsageError("Only LiteRT files are quantised.", hint="Add -o OUT.tflite.")
    if kind is None:
        if options.calibrate is not None or least is not None:
            raise UsageError(
                "Calibration and a least signal are for quantised files.",
                hint="Add --quantise int8; a least signal goes with --dtype-policy, too.",
            )
        return None
    if kind not in KINDS:
        raise UsageError(f"There is no way to quantise called {kind!r}.", hint=f"There are: {', '.join(KINDS)}.")
    normalise = options.example_files.normalise if options.example_files is not None else "0-1"
    samples = [] if options.calibrate is None else read_samples(Path(options.calibrate), inputs, normalise)
    if kind == "int8" and not samples:
        raise UsageError(
            "int8 needs inputs that show how large the numbers between the layers become.",
            hint="Add --calibrate FILE.npz, or a folder of images: some hundred of the kind that it is to see.",
        )
    return Quantisation(kind, samples, KINDS[kind] if least is None else least)


def read_samples(path: Path, inputs: Sequence[ir.Value], normalise: str) -> list[dict[str, Array]]:
    """One batch from each row of a `.npz` file's arrays, or from as many as a fixed batch has; or from each image of a
    folder.

    Raises:
        UsageError: it is no such file or folder, or does not fit the inputs.
    """
    if path.is_dir():
        images = sorted(each for each in path.iterdir() if each.suffix.lower() in IMAGES)
        if not images:
            raise UsageError(f"The folder {str(path)!r} has no images: {', '.join(sorted(IMAGES))}.")
        return [load_examples([each], inputs, normalise) for each in images]
    arrays = load_examples([path], inputs, normalise)
    names = [value.name or "" for value in inputs]
    missing = [name for name in names if name not in arrays]
    counts = {len(arrays[name]) for name in names if name in arrays and arrays[name].ndim}
    if missing or len(counts) != 1:
        raise UsageError(
            f"{str(path)!r} needs an array for each input, all with as many rows.",
            hint=f"The inputs are {', '.join(names)}.",
        )
    sizes = {value.shape[0] if value.shape else None for value in inputs}
    size = sizes.pop() if len(sizes) == 1 else 1
    step = size if isinstance(size, int) else 1
    rows = counts.pop()
    if rows < step:
        raise UsageError(f"{str(path)!r} has {rows} rows; a batch of the model has {step}.")
    return [{name: arrays[name][row : row + step] for name in names} for row in range(0, rows - step + 1, step)]
