"""A batch of 1 that a file fixes, opened: compared with the file itself, image by image."""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir
import pytest

import converter
from passes.errors import Unsupported, UsageError
from tests.conftest import Keraport
from tests.harness import graph


def numbers(count: int) -> str:
    return ", ".join(str((i * 7 % 11 - 5) / 8) for i in range(count))


IMAGES = f"""
g (float[1,3,8,8] x) => (float[1,16,4] y, float[1,4] z)
<float[4,3,3,3] k = {{{numbers(108)}}}, int64[3] flat = {{1, 4, 16}}, int64[2] row = {{1, -1}},
    float[4,4] w = {{{numbers(16)}}}> {{
    c = Conv<strides=[2,2], pads=[1,1,1,1]>(x, k)  f = Reshape(c, flat)  y = Transpose<perm=[0,2,1]>(f)
    p = GlobalAveragePool(c)  r = Reshape(p, row)  z = MatMul(r, w)
}}
"""
TOKEN = f"""
g (float[1,5,4] x) => (float[1,6,4] y) <float[1,1,4] token = {{{numbers(4)}}}> {{ y = Concat<axis=1>(token, x) }}
"""
HEADS = f"""
g (float[1,6,8] x) => (float[6,1,8] y)
<float[8,8] w = {{{numbers(64)}}}, int64[3] heads = {{6, 2, 4}}, int64[4] apart = {{1, 2, 6, 4}},
    int64[2] flat = {{6, 8}}, int64[3] back = {{6, 1, 8}}> {{
    t = Transpose<perm=[1,0,2]>(x)  h = Reshape(t, heads)  u = Transpose<perm=[1,0,2]>(h)  a = Reshape(u, apart)
    s = Softmax<axis=3>(a)  q = Transpose<perm=[2,0,1,3]>(s)  r = Reshape(q, flat)
    m = MatMul(r, w)  y = Reshape(m, back)
}}
"""
"""A sequence that comes first: the batch joins the heads, then the sequence."""
RECURRENT = f"""
g (float[1,5,2] x) => (float[1,5,3] y)
<float[1,3,2] w = {{{numbers(6)}}}, float[1,3,3] r = {{{numbers(9)}}}, float[1,1,3] zero = {{0, 0, 0}},
    int64[1] one = {{1}}> {{
    t = Transpose<perm=[1,0,2]>(x)  a = RNN<hidden_size=3>(t, w, r, , , zero)  s = Squeeze(a, one)
    y = Transpose<perm=[1,0,2]>(s)
}}
"""


def saved(text: str, folder: Path) -> str:
    path = folder / "fixed.onnx"
    ir.save(graph(text), path)
    return str(path)


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        (IMAGES, "x=float32[batch,3,8,8]"),
        (TOKEN, "x=float32[batch,5,4]"),
        (HEADS, "x=float32[batch,6,8]"),
        (RECURRENT, "x=float32[n,5,2]"),
    ],
    ids=["images", "token", "heads", "recurrent"],
)
def test_equals_the_file_image_by_image(text: str, spec: str, tmp_path: Path) -> None:
    report = converter.convert(saved(text, tmp_path), inputs=[spec]).report
    assert report.verification is not None
    assert report.verification["passed"]
    assert "image by image" in report.verification["oracle"]
    assert [case["shape"]["x"][0] for case in report.verification["cases"]] == [1, 2, 3]
    assert all(spec[10:].partition(",")[0] in map(str, port.shape) for port in report.outputs)


def test_images_that_are_mixed_are_refused(tmp_path: Path) -> None:
    text = "g (float[1,4] x) => (float[4] y) <int64[1] first = {0}> { y = ReduceMean<keepdims=0>(x, first) }"
    with pytest.raises(Unsupported, match="along the batch"):
        converter.convert(saved(text, tmp_path), inputs=["x=float32[batch,4]"])


def test_another_size_than_the_fixed_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="fixed size 8"):
        converter.convert(saved(IMAGES, tmp_path), inputs=["x=float32[batch,3,9,8]"])


def test_the_command_line(keraport: Keraport, tmp_path: Path) -> None:
    source, model, spec = saved(IMAGES, tmp_path), tmp_path / "m.keras", "x=float32[batch,3,8,8]"
    assert keraport("convert", source, "--input", spec, "-o", model).code == 0
    assert keraport("verify", model, source, "--input", spec).code == 0
    assert keraport("diff", model, source, "--input", spec).code == 0
    assert keraport("inspect", source, "--input", spec).code == 0
