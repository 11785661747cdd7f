"""Slices at a place modulo an open size, and a Concat: a roll."""

from __future__ import annotations

import pytest

from passes.fuse.roll import FuseRoll
from passes.shapes.infer import InferShapes
from tests.harness import check_onnx, check_pass, graph

CONSTANTS = "<int64[1] zero = {0}, int64[1] one = {1}, int64[1] two = {2}, int64[1] three = {3}, int64[1] back = {-2}>"
FIRST = "n = Shape<start=1, end=2>(x) p = Mod(three, n) a = Slice(x, p, n, one) b = Slice(x, zero, p, one) "
SECOND = "m = Shape<start=2, end=3>(u) q = Mod(back, m) c = Slice(u, q, m, two) d = Slice(u, zero, q, two) "
SIZES = {"b": (2,), "h": (1, 2, 5), "w": (1, 4)}


def inferred(body: str, outputs: str = "float[b, h, w] y") -> str:
    return f"g (float[b, h, w] x) => ({outputs}) {CONSTANTS} {{ {body} }}"


def test_two_axes_are_one_roll() -> None:
    model = graph(inferred(f"{FIRST} u = Concat<axis=1>(a, b) {SECOND} y = Concat<axis=2>(c, d)"))
    InferShapes()(model)
    fused = check_pass(FuseRoll(), model, sizes=SIZES, modified=True)
    (roll,) = [node for node in fused.graph if node.op_type == "Roll"]
    assert roll.attributes["axes"].as_ints() == (1, 2)
    assert roll.attributes["shift"].as_ints() == (-3, 2)


@pytest.mark.parametrize(
    ("body", "outputs"),
    [
        pytest.param(f"{FIRST} y = Concat<axis=1>(b, a)", "float[b, h, w] y", id="as it was"),
        pytest.param(f"{FIRST} y = Concat<axis=1>(a, b)", "float[b, h, w] y, float[b, k, w] b", id="a part is read"),
        pytest.param(f"{FIRST.replace('Mod(three, n)', 'Mod(three, two)')} y = Concat<axis=1>(a, b)",
                     "float[b, h, w] y", id="modulo another number"),
        pytest.param(f"{FIRST.replace('a = Slice(x, p, n, one)', 'a = Slice(x, p, n, one, two)')} "
                     "y = Concat<axis=1>(a, b)", "float[b, k, w] y", id="every second"),
        pytest.param(f"{FIRST.replace('zero, p', 'one, p')} y = Concat<axis=1>(a, b)", "float[b, k, w] y",
                     id="without the first"),
    ],
)  # fmt: skip
def test_other_slices_stay(body: str, outputs: str) -> None:
    model = graph(inferred(body, outputs))
    InferShapes()(model)
    check_pass(FuseRoll(), model, sizes={"b": (2,), "h": (4, 5), "w": (3,)}, modified=False)


@pytest.mark.parametrize("height", ["h", 5])
def test_behind_a_convolution(height: str | int) -> None:
    """Of a known height two slices: LiteRT has no roll."""
    checked = check_onnx(
        f"""g (float[b, 3, {height}, w] z) => (float[b, 3, {height}, w] y)
        <int64[1] zero = {{0}}, int64[1] two = {{2}}, int64[1] three = {{3}},
        float[3, 3, 1, 1] k = {{1, 0, 0, 0, 1, 0, 0, 0, 1}}> {{
            x = Conv(z, k)  n = Shape<start=2, end=3>(x) p = Mod(three, n) a = Slice(x, p, n, two)
            b = Slice(x, zero, p, two) y = Concat<axis=2>(a, b) }}""",
        sizes=SIZES,
    )
    names = [type(operation).__name__ for operation in checked.model.operations]
    assert ("Roll" in names) == (height == "h")
