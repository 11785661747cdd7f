"""onnx2tf in a process of its own: the graph that it gets, and what became of it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

from passes.errors import ConversionError, LimitExceeded, Unsupported
from passes.graph.builder import Builder, FreshNames
from passes.lower import to_standard
from passes.normalize.inline_functions import InlineFunctions

SECONDS = 1800
OPSET = 18
"""What it knows well; ours is newer."""

IR_VERSION = 10
SAMPLES = "calibration_image_sample_data_20x128x128x3_float32.npy"
"""It tries every graph with these, and downloads them where they are not in its folder."""

COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class WrittenFiles:
    """What onnx2tf has written: a SavedModel folder, and LiteRT files in float32 and float16."""

    saved_model: Path
    lite: Path


def write_graph(model: ir.Model, path: Path, *, raw: Path | None = None) -> Path:
    """The graph for onnx2tf: standard operators with explicit pads, in an opset that it knows well where there is a way
    back to it, else in ours.

    Args:
        model: after `SplitPads`.
        raw: the source's own file, to be given as it is.
    """
    if raw is not None:
        shutil.copyfile(raw, path)
        return path
    standard = to_standard(model)
    InlineFunctions(_is_newer)(standard)
    _take_whole_shapes(standard)
    proto = ir.to_proto(standard)
    with contextlib.suppress(Exception):  # onnx's converter knows neither every operator nor one kind of error
        proto = onnx.version_converter.convert_version(proto, OPSET)
    proto.ir_version = IR_VERSION
    onnx.save(proto, path)
    return path


def _take_whole_shapes(model: ir.Model) -> None:
    """Shape<start, end>, of which onnx2tf takes all sizes, as a Gather from the whole shape."""
    names = FreshNames(model)
    for node in list(model.graph.all_nodes()):
        x = node.inputs[0] if node.inputs else None
        if node.op_type != "Shape" or node.domain or x is None or x.shape is None:
            continue
        start, end = node.attributes.get_int("start", 0), node.attributes.get_int("end", len(x.shape))
        places = list(range(len(x.shape)))[start:end]
        if len(places) == len(x.shape):
            continue
        at = Builder(node, names)
        whole = at.node("Shape", [x], [len(x.shape)], dtype=ir.DataType.INT64)
        at.replace(at.node("Gather", [whole, at.constant(places, "axes")], [len(places)], name=node.name))


def _is_newer(node: ir.Node) -> bool:
    """An operator that the older opset has not: it becomes the composition that the standard defines it by."""
    return node.domain == "" and not onnx.defs.has(node.op_type, OPSET)


def run(python: Path, graph: Path, folder: Path, *, seconds: float = SECONDS) -> WrittenFiles:
    """Let onnx2tf convert a file into a folder.

    Raises:
        LimitExceeded: it does not end.
        Unsupported: it says that it cannot; its last words are told.
        ConversionError: it is killed, or writes nothing.
    """
    np.save(graph.parent / SAMPLES, np.random.default_rng(0).random((20, 128, 128, 3), dtype="float32"))
    command = [str(python), "-m", "onnx2tf", "-i", str(graph), "-o", str(folder), "-osd", "-coion", "-n"]
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONDONTWRITEBYTECODE": "1"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "KERAS_", "TF_"))}
    try:
        done = subprocess.run(
            command, cwd=graph.parent, env=kept | quiet, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise LimitExceeded(f"onnx2tf gave no answer within {seconds:.0f} s.") from error
    made = WrittenFiles(folder, folder / f"{graph.stem}_float32.tflite")
    if done.returncode < 0:
        raise ConversionError(
            f"onnx2tf was ended by signal {-done.returncode}.",
            hint="Signal 9 is usually the machine running out of memory." if done.returncode == -9 else None,
        )
    if done.returncode or not (folder / "saved_model.pb").is_file():
        raise Unsupported(f"onnx2tf does not convert it: {_last_words(done.stdout, done.stderr)}")
    return made


def _last_words(out: str, err: str) -> str:
    """The error among pages of prose: what it calls one, or the last line of a traceback."""
    lines = [COLOURS.sub("", line).strip() for line in (*out.splitlines(), *err.splitlines())]
    told = [line for line in lines if line.startswith(("ERROR:", "Error:")) and "https://" not in line]
    raised = [line for line in lines if re.match(r"[A-Za-z_.]+(Error|Exception)\b", line)]
    if "No module named onnx2tf" in err:
        return "that interpreter has no onnx2tf"
    return " ".join([*told[:2], *raised[-1:]])[:500] or (lines[-1] if lines else "it says nothing")
