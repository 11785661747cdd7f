"""Runs of small zoos from tests: manifests, the command in a process of its own, what a run leaves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import onnx.parser
import psutil

BUILDERS = Path(__file__).with_name("zoo_builders.py")
INPUT = 'inputs = ["x=float32[batch,3,16,16]"]'
WAIT_SECONDS = 240.0

GRAPH = """<ir_version: 10, opset_import: ["" : 20]>
g (float[batch,3,8,8] x) => (float[batch,4,4,4] y) <float[4,3,3,3] w = {WEIGHTS}>
{ c = Conv<pads=[1,1,1,1], strides=[2,2]>(x, w)  y = Relu(c) }"""


def onnx_models(folder: Path, count: int) -> str:
    """`count` small .onnx files, and the manifest that names them: their children need no PyTorch."""
    text = ""
    for place in range(count):
        weights = ", ".join(str((i * (place + 3) % 11 - 5) / 8) for i in range(108))
        onnx.save(onnx.parser.parse_model(GRAPH.replace("WEIGHTS", weights)), folder / f"m{place}.onnx")
        text += f'[[model]]\nname = "m{place}"\nsource = "m{place}.onnx"\n'
    return text


def built_models(folder: Path, expected: Mapping[str, str]) -> str:
    """Entries for builders of zoo_builders.py, with the status that each will have."""
    shutil.copy(BUILDERS, folder)
    entries = (
        f'[[model]]\nname = "{name}"\nsource = "zoo_builders:{name}"\n{INPUT}\nexpected = "{status}"\n'
        for name, status in expected.items()
    )
    return "".join(entries)


def start(*arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    """`keraport zoo run` in a process of its own."""
    command = [sys.executable, "-m", "converter", "zoo", "run", *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | environment
    )


def lines(run: Path) -> dict[str, dict[str, Any]]:
    """`results.jsonl` by name."""
    found = [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]
    assert len({one["name"] for one in found}) == len(found), "a model has two results"
    return {one["name"]: one for one in found}


def timeless(results: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The same without what differs from run to run: seconds, memory, the worker."""
    text = json.dumps(list(results.items()))
    copies = dict(json.loads(text))
    for one in copies.values():
        for key in ("seconds", "peak_memory_bytes", "worker"):
            del one[key]
        report = one["report"]
        del report["peak_memory_bytes"]
        for stage in report["stages"]:
            del stage["seconds"]
    return copies


def descendants(pid: int) -> list[psutil.Process]:
    """All processes below one, to see later that they are gone."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def wait_until(condition: Any, what: str) -> None:
    """For what another process does; the deadline only keeps a hang from hanging the tests."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.05)


def gone(processes: Sequence[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in _alive(processes))


def _alive(processes: Sequence[psutil.Process]) -> Iterator[psutil.Process]:
    for process in processes:
        try:
            process.status()
        except psutil.NoSuchProcess:
            continue
        yield process
