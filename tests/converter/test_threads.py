"""Conversions in several threads of one process: each comes out as it does alone, and nothing is left behind."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import psutil
import pytest

import converter
from converter.processes.replay import Replay
from converter.processes.replay_link import default_backend
from passes.errors import ConversionError
from passes.order import run_pipeline
from tests.harness import graph

THREADS = 8


def dense(width: int, numbers: int) -> ir.Model:
    rng = np.random.default_rng(numbers)
    values = ", ".join(f"{number:.4f}" for number in rng.standard_normal(width * 5))
    weight = f"float[{width}, 5] w = {{{values}}}"
    return graph(f"g (float[b, {width}] x) => (float[b, 5] y) <{weight}> {{ t = MatMul(x, w)  y = Relu(t) }}")


def unknown(width: int) -> ir.Model:
    return graph(f"g (float[b, {width}] x) => (float[b, {width}] y) {{ y = Mystery(x) }}")


def unmatched(width: int) -> ir.Model:
    return graph(f"g (float[b, {width}] x) => (float[n, 7] y) <int64[2] s = {{-1, 7}}> {{ y = Reshape(x, s) }}")


def outcome(case: int) -> str:
    """What comes of one conversion; two of five fail."""
    try:
        if case % 5 == 1:
            return str(converter.convert(unknown(case + 2)).verified)
        if case % 5 == 3:
            return str(converter.convert(unmatched(2)).verified)
        return f"verified: {converter.convert(dense(case % 7 + 2, case)).verified}"
    except ConversionError as error:
        return f"{type(error).__name__}: {error.message}"


def leftovers() -> tuple[set[int], set[str]]:
    folders = {name for name in os.listdir(tempfile.gettempdir()) if name.startswith("keraport-")}
    return {child.pid for child in psutil.Process().children(recursive=True)}, folders


@pytest.mark.parametrize("count", [10, pytest.param(50, marks=pytest.mark.slow)])
def test_threads_take_turns(count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    alone = [outcome(case) for case in range(count)]
    assert sum(text == "verified: True" for text in alone) == count * 3 // 5
    before = leftovers()
    found: dict[int, str] = {}

    def work(first: int) -> None:
        for case in range(first, count, THREADS):
            found[case] = outcome(case)

    threads = [threading.Thread(target=work, args=(first,)) for first in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert [found.get(case) for case in range(count)] == alone
    assert leftovers() == before


def test_the_warm_process_serves_one_request_at_a_time(tmp_path: Path) -> None:
    """Also where it is asked without a conversion around it."""
    conversion = converter.convert(dense(4, 0), tmp_path / "m.keras")
    replay = Replay.warm(default_backend())
    wrong: list[Any] = []

    def ask(seed: int) -> None:
        x = np.random.default_rng(seed).standard_normal((2, 4)).astype(np.float32)
        (y,) = replay.run(tmp_path / "m.keras", [[x]])[0]
        if not np.allclose(y, np.asarray(conversion.model(x)), atol=1e-5):
            wrong.append(seed)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong and not any(thread.is_alive() for thread in threads)


def test_the_folder_for_graphs_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "not" / "there"
    monkeypatch.setenv("KERAPORT_DEBUG", "1")
    monkeypatch.setenv("KERAPORT_DEBUG_DIR", str(folder))
    run_pipeline(dense(3, 0))
    assert len(list(folder.glob("*.onnx"))) > 20
