"""Fixtures that several tests share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx_ir as ir
import pytest

from tests.harness import graph

SMALL = """
g (float[batch,3,h,w] image) => (float[batch,4,h2,w2] features, float[batch,4] pooled)
<float[4,3,3,3] kernel = {KERNEL}, float[4] bias = {0.5, -0.25, 0, 1}>
{
    ["/stem/conv/Conv"] c = Conv<pads=[0,1,2,1], strides=[2,2]>(image, kernel, bias)
    ["/stem/act/Relu"] features = Relu(c)
    ["/head/GlobalAveragePool"] p = GlobalAveragePool(features)
    ["/head/Flatten"] pooled = Flatten(p)
}
""".replace("KERNEL", ", ".join(str((i * 7 % 11 - 5) / 8) for i in range(108)))
"""A convolution with uneven pads and stride 2, an activation and a pool; batch, height and width are dynamic."""


@dataclass(frozen=True)
class Ran:
    """What one call of the command line did."""

    code: int
    out: str
    err: str


Keraport = Callable[..., Ran]


@pytest.fixture
def keraport(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Keraport:
    """The command line in this process: `keraport("convert", path)` returns the exit code and both streams."""
    from converter.cli import main

    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("KERAPORT_DEBUG", raising=False)

    def call(*arguments: str | Path) -> Ran:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        streams = capsys.readouterr()
        return Ran(code, streams.out, streams.err)

    return call


@pytest.fixture
def small_onnx(tmp_path: Path) -> Path:
    """SMALL as a file."""
    path = tmp_path / "small.onnx"
    ir.save(graph(SMALL), path)
    return path
