"""The bench runs, judges by its targets, and conversion takes work in proportion to the nodes."""

from __future__ import annotations

import cProfile
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

import converter
from scripts import bench
from scripts.bench_chain import chain
from scripts.bench_latency import take_turns
from scripts.bench_targets import CHAIN_RATIO, judge
from scripts.children import ROOT, ChildFailed, measure

MEGABYTES_64 = 64 << 20
ALLOCATE = """
import sys, time
import numpy as np
from scripts import peak_memory
if sys.argv[1] == "False":
    peak_memory._reset_record = lambda: False
with peak_memory.PeakMemory() as memory:
    array = np.ones(64 << 20, np.uint8)
    deadline = time.monotonic() + 60
    while not memory.by_kernel and memory.peak < 60 << 20 and time.monotonic() < deadline:
        time.sleep(peak_memory.PERIOD)  # a busy machine may keep the sampler waiting
    del array
print(memory.peak)
"""


@pytest.mark.slow
def test_bench_of_a_small_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, result = tmp_path / "small.onnx", tmp_path / "bench.json"
    onnx.save(chain(8), file)
    effort = ["--repeats", "1", "--rounds", "2", "--batches", "1", "3", "--chain", "--json", str(result)]
    assert bench.main([str(file), *effort]) == 0
    found = json.loads(result.read_text())
    (model,) = found["models"]
    assert model["operations"] == 8
    assert model["transposes"] == 0
    assert set(model["stages"]) == {"load", "passes", "emit"}
    assert "Layout" in model["passes"]
    assert model["weights_bytes"] == 4 * model["parameters"]
    assert min(model["seconds"], model["cpu_seconds"], model["peak_bytes"]) > 0
    assert [entry["batch"] for entry in model["latency"]] == [1, 3]
    assert all(entry["to_onnxruntime"] > 0 for entry in model["latency"])
    assert min(model["to_load"], model["to_forward"]) > 0
    assert found["machine"]["processor"]
    assert "small.onnx" in capsys.readouterr().out


def test_work_is_linear_in_the_nodes(tmp_path: Path) -> None:
    """By counting calls, which no other process disturbs; seconds are the bench's business."""
    calls = {}
    for nodes in (16, 300, 600):  # the first also warms up what is made once per process
        file = tmp_path / f"{nodes}.onnx"
        onnx.save(chain(nodes), file)
        profile = cProfile.Profile()
        profile.runcall(converter.convert, str(file), verify=False)
        calls[nodes] = sum(entry.callcount for entry in profile.getstats())
    assert calls[600] / calls[300] < 2.1


def test_targets() -> None:
    latency = [{"batch": 1, "to_handwritten": 1.2, "to_onnxruntime": 9.0}]
    models = [{"name": "torchvision:resnet50", "seconds": 1.0, "peak_multiple": 9.0, "latency": latency}]
    runs = [{"nodes": 4000, "seconds": 1.0}, {"nodes": 8000, "seconds": 2.4}]
    targets = judge({"models": models, "chain": {"runs": runs, "ratio": 2.4}})
    assert [(target.limit, target.met) for target in targets] == [(1.5, True), (1.05, False), (CHAIN_RATIO, False)]


def test_turns_alternate() -> None:
    order: list[str] = []
    take_turns(lambda: order.append("a") or np.zeros(1), lambda: order.append("b") or np.zeros(1), rounds=4)
    assert "".join(order[-8:]) == "abbaabba"


@pytest.mark.parametrize("by_kernel", [True, False])
def test_peak_memory(by_kernel: bool) -> None:
    """In a fresh process: the kernel may take pages back from one as large as this while it measures."""
    done = subprocess.run([sys.executable, "-c", ALLOCATE, str(by_kernel)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 0.9 * MEGABYTES_64 < int(done.stdout) < 1.5 * MEGABYTES_64


def test_a_failed_child_says_why() -> None:
    with pytest.raises(ChildFailed, match=r"No module named scripts\.absent"):
        measure("scripts.absent")
