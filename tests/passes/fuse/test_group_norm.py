"""raise_group_norm: torch's decomposition, without parts of it, near misses, shared steps."""

from __future__ import annotations

import pytest

from passes.fuse.group_norm import FuseGroupNorm
from tests.harness import check_pass, operators
from tests.passes.padding.test_split_pads import settled

AFFINE = "m = Mul(s, w)\n y = Add(m, b)"


def graph(affine: str = AFFINE, *, body: str = "", outputs: str = "float[batch, 4, 3, 5] y", **constants: str) -> str:
    values = {
        "grouped": "int64[3] grouped = {0, 2, -1}",
        "shape": "int64[4] shape = {-1, 4, 3, 5}",
        "one": "float[2] one = {1, 1}",
        "zero": "float[2] zero = {0, 0}",
        "w": "float[4, 1, 1] w = {1, -2, 0.5, 3}",
        "b": "float[4, 1, 1] b = {0, 1, 2, 3}",
    } | constants
    steps = f"g0 = Reshape(x, grouped)\n i = InstanceNormalization(g0, one, zero)\n s = Reshape(i, shape)\n {affine}"
    return f"g (float[batch, 4, 3, 5] x) => ({outputs}) <{', '.join(values.values())}> {{ {steps}\n {body} }}"


def raised(text: str, modified: bool = True) -> list[str]:
    return operators(check_pass(FuseGroupNorm(), settled(text), modified=modified))


def test_torch_s_decomposition_becomes_one() -> None:
    model = check_pass(FuseGroupNorm(), settled(graph()), modified=True)
    (node,) = model.graph
    assert (node.op_type, node.attributes["num_groups"].as_int()) == ("GroupNormalization", 2)
    assert [list(value.shape) for value in node.inputs[1:]] == [[4], [4]]


@pytest.mark.parametrize(
    ("affine", "constants", "left"),
    [
        ("y = Relu(s)", {}, ["Relu"]),
        (AFFINE, {"w": "float[1, 1, 1] w = {1}", "b": "float[1, 1, 1] b = {0}"}, []),
        ("y = Mul(w, s)", {}, []),
        ("m = Mul(s, w)\n y = Add(b, m)", {"b": "float[5] b = {0, 1, 2, 3, 4}"}, ["Add"]),
        (AFFINE, {"w": "float[1] w = {2}"}, ["Mul", "Add"]),
        (AFFINE, {"w": "float[5] w = {0, 1, 2, 3, 4}"}, ["Mul", "Add"]),
    ],
    ids=["no affine", "neutral affine", "no bias", "other bias", "other scale", "along width"],
)
def test_parts_may_be_missing(affine: str, constants: dict[str, str], left: list[str]) -> None:
    assert raised(graph(affine, **constants)) == ["GroupNormalization", *left]


@pytest.mark.parametrize(
    "constants",
    [
        {"one": "float[2] one = {1, 2}"},
        {"zero": "float[2] zero = {0, 1}"},
        {"shape": "int64[4] shape = {-1, 4, 5, 3}", "w": "float[4, 1, 1] w = {1, 1, 1, 1}"},
        {"grouped": "int64[3] grouped = {-1, 2, 15}"},
    ],
    ids=["own scale", "own bias", "other shape", "batch in groups"],
)
def test_near_misses_stay(constants: dict[str, str]) -> None:
    text = graph(outputs="float[n, 4, h, w0] y", **constants)
    assert "GroupNormalization" not in raised(text, modified=False)


@pytest.mark.parametrize("shared", ["g0", "i"])
def test_a_shared_step_or_output_stays(shared: str) -> None:
    outputs = "float[batch, 4, 3, 5] y, float[batch, 2, n] z"
    assert "GroupNormalization" not in raised(graph(body=f"z = Relu({shared})", outputs=outputs), modified=False)
    outputs = f"float[batch, 4, 3, 5] y, float[batch, 2, n] {shared}"
    assert "GroupNormalization" not in raised(graph(outputs=outputs), modified=False)
