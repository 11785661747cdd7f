"""Sizes that a file fixes, opened."""

from __future__ import annotations

from math import prod
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st

import converter
from passes.errors import Unsupported
from passes.normalize.sizes.reshape_places import OutputAxis, places_of
from tests.harness import graph
from tests.zoo import zoo_file

W = "float[4,3,3,3] w = {" + ", ".join(str((i * 7 % 11 - 5) / 8) for i in range(108)) + "}"
CONV = "c = Conv<pads=[1,1,1,1], strides=[2,2]>(x, w)"
"""[1, 3, 8, 12] → [1, 4, 4, 6]"""


def opened(
    tmp_path: Path, body: str, *, constants: str = "", spec: str = "x=float32[batch,3,h,w]"
) -> converter.Conversion:
    text = f"g (float[1,3,8,12] x) => (float[a] y) <{W}{', ' if constants else ''}{constants}> {{ {CONV}  {body} }}"
    model = graph(text)
    model.graph.outputs[0].shape = None
    ir.save(model, tmp_path / "m.onnx")
    return converter.convert(tmp_path / "m.onnx", inputs=[spec])


@pytest.mark.parametrize(
    ("body", "constants"),
    [
        ("y = Relu(c)", ""),
        ("t = Transpose<perm=[0,2,3,1]>(c)  y = Reshape(t, s)", "int64[3] s = {1, 24, 4}"),
        ("t = Transpose<perm=[0,2,3,1]>(c)  y = Reshape(t, s)", "int64[3] s = {1, 48, 2}"),
        ("y = Reshape(c, s)", "int64[5] s = {1, 2, 2, 4, 6}"),
        ("y = Reshape(c, s)", "int64[3] s = {1, 4, -1}"),
        ("g = GlobalAveragePool(c)  y = Flatten(g)", ""),
        ("y = ReduceMean<keepdims=0>(c, s)", "int64[2] s = {2, 3}"),
        ('y = Resize<mode="nearest">(c, , , s)', "int64[4] s = {1, 4, 8, 12}"),
        ('y = Resize<mode="linear">(c, , , s)', "int64[4] s = {1, 4, 2, 3}"),
        ("y = Slice(c, b, e, i)", "int64[1] b = {1}, int64[1] e = {4}, int64[1] i = {2}"),
        ("y = Slice(c, b, e, i)", "int64[1] b = {0}, int64[1] e = {-1}, int64[1] i = {3}"),
        ("y = Add(c, bias)", "float[4,1,1] bias = {1, 2, 3, 4}"),
        ("y = Expand(c, s)", "int64[4] s = {1, 4, 4, 6}"),
        ("y = Concat<axis=2>(c, c)", ""),
        (
            "f = Reshape(c, s)  t = Transpose<perm=[0,2,1]>(f)  m = MatMul(t, f)  y = Softmax(m)",
            "int64[3] s = {1, 4, 24}",
        ),
        ("p, q = Split<axis=1>(c, s)  y = Mul(p, q)", "int64[2] s = {2, 2}"),
    ],
)
def test_constants_that_hold_the_old_size_are_counted_anew(tmp_path: Path, body: str, constants: str) -> None:
    found = opened(tmp_path, body, constants=constants)
    assert found.verified
    verification = found.report.verification
    assert verification is not None
    sizes = {tuple(case["shape"]["x"][2:]): case["oracle"] for case in verification["cases"]}
    assert sizes.pop((8, 12)) == "the source as loaded, image by image"
    assert len(sizes) >= 2
    assert set(sizes.values()) == {"the graph with its sizes opened"}
    assert any("fixes its sizes" in note for note in found.report.notes)


@pytest.mark.parametrize(
    ("body", "constants", "said"),
    [
        ("y = Add(c, table)", "float[4,6] table = {" + ", ".join(["1"] * 24) + "}", "Add fixes a size .*'table'"),
        (
            "f = Flatten(c)  y = Gemm(f, head)",
            "float[96,2] head = {" + ", ".join(["0.5"] * 192) + "}",
            "Gemm fixes a size|MatMul fixes a size",
        ),
        ("y = Gather<axis=2>(c, s)", "int64[2] s = {0, 3}", "Gather fixes a size"),
        ("y = Reshape(c, s)", "int64[5] s = {1, 4, 2, 2, 6}", "Reshape fixes a size"),
        ("y = Slice(c, b, e, i)", "int64[1] b = {0}, int64[1] e = {2}, int64[1] i = {2}", "Slice fixes a size"),
        ('y = Resize<mode="nearest">(c, , , s)', "int64[4] s = {1, 4, 7, 9}", "Resize fixes a size"),
        ("p, q = Split<axis=2>(c, s)  y = Mul(p, q)", "int64[2] s = {2, 2}", "Split fixes a size"),
        (
            "y = PRelu(c, table)",
            "float[4,4,6] table = {" + ", ".join(["0.5"] * 96) + "}",
            "PRelu fixes a size .*'table'",
        ),
        ("y, i = TopK<axis=2>(c, k)", "int64[1] k = {2}", "not followed through TopK"),
    ],
)
def test_what_fixes_a_size_is_named(tmp_path: Path, body: str, constants: str, said: str) -> None:
    with pytest.raises(Unsupported, match=said) as caught:
        opened(tmp_path, body, constants=constants)
    assert "node" in (caught.value.node or "")


def test_one_edge_alone(tmp_path: Path) -> None:
    found = opened(tmp_path, "y = Relu(c)", spec="x=float32[1,3,8,w]")
    assert found.verified
    assert found.inputs[0].shape == (1, 3, 8, "w")


def test_a_detector_of_the_zoo() -> None:
    found = converter.convert(zoo_file("yunet_n_320_320.onnx"), inputs=["input=float32[batch,3,h,w]"])
    assert found.verified and found.report.transposes == 0 and not found.report.custom_layers


@pytest.mark.parametrize(
    ("given", "target", "axes", "places"),
    [
        ([1, 40, 40, 18], [1, 4800, 6], {1, 2}, [OutputAxis(1), OutputAxis(3, (1, 2)), OutputAxis(6)]),
        (
            [1, 8, 5, 5],
            [1, 2, 4, 5, 5],
            {2, 3},
            [OutputAxis(1), OutputAxis(2), OutputAxis(4), OutputAxis(1, (2,)), OutputAxis(1, (3,))],
        ),
        ([1, 1, 6, 6], [1, 6, 6], {2, 3}, [OutputAxis(1), OutputAxis(1, (2,)), OutputAxis(1, (3,))]),
        ([1, 56, 56, 8], [1, 8, 7, 8, 7, 8], {1, 2}, None),
        ([2, 3], [7], {0}, None),
        ([0, 3], [0], {0}, None),
    ],
)
def test_places(given: list[int], target: list[int], axes: set[int], places: list[OutputAxis] | None) -> None:
    assert places_of(given, target, axes) == places


@given(st.data())
def test_places_hold_as_much_at_any_size(data: st.DataObject) -> None:
    """Neighbours joined and closed axes split: what is found has the old numbers at the old size, and is a reshape."""
    sizes = data.draw(st.lists(st.integers(1, 6), min_size=2, max_size=5))
    axes = data.draw(st.sets(st.integers(0, len(sizes) - 1), min_size=1, max_size=2))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(sizes) - 1))))
    runs = np.split(np.arange(len(sizes)), cuts)
    target = [prod(sizes[int(i)] for i in run) for run in runs]
    places = places_of(sizes, target, axes)
    if places is None:
        return
    other = [size + 3 if axis in axes else size for axis, size in enumerate(sizes)]
    for numbers, wanted in ((sizes, prod(sizes)), (other, prod(other))):
        assert prod(place.factor * prod(numbers[axis] for axis in place.axes) for place in places) == wanted
    assert [place.factor * prod(sizes[axis] for axis in place.axes) for place in places] == target
