"""Slices whose bounds are arithmetic on open sizes, from the start, from the end, and as long as a tensor."""

from __future__ import annotations

import numpy as np
import pytest

from tests.harness import check_onnx

CONSTANTS = "<int64[1] zero = {0}, int64[1] one = {1}, int64[1] two = {2}, int64[1] three = {3}, int64[1] four = {4}," \
            " int64[1] eight = {8}, int64[1] end = {9223372036854775807}, int64[1] back = {-1}>"  # fmt: skip
SIZES = {"b": (2,), "n": (8, 9, 11, 16)}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("third = Div(n, three) y = Slice(x, third, end, two)", id="from-a-third-on"),
        pytest.param("half = Div(n, two) y = Slice(x, zero, half, two)", id="to-the-half"),
        pytest.param("a = Div(n, four) m = Mul(three, n) z = Div(m, four) y = Slice(x, a, z, two)", id="the-middle"),
        pytest.param("r = Mod(n, four) s = Sub(n, r) y = Slice(x, zero, s, two)", id="to-a-multiple"),
        pytest.param("h = Div(n, two) m = Neg(h) s = Sub(m, one) y = Slice(x, s, end, two)", id="from-the-end"),
        pytest.param("s = Sub(n, three) y = Slice(x, s, end, two)", id="the-last-three"),
    ],
)
def test_a_slice(body: str) -> None:
    check_onnx(
        f"g (float[b, 3, n] x) => (float[b, 3, k] y) {CONSTANTS} {{ n = Shape<start=2, end=3>(x) {body} }}", sizes=SIZES
    )


def test_of_an_image_to_the_size_of_another() -> None:
    """The crop of a UNet: where both are joined, the slice is as long as what it is joined with."""
    check_onnx(
        """g (float[b, 3, h, w] x) => (float[b, 6, p, q] y)
        <int64[1] two = {2}, int64[1] three = {3}, int64[2] axes = {2, 3}, int64[2] ones = {1, 1}> {
            u = AveragePool<kernel_shape=[3, 3]>(x)  su = Shape<start=2>(u)  sx = Shape<start=2>(x)
            d = Sub(sx, su)  a = Div(d, two)  e = Add(a, su)  c = Slice(x, a, e, axes)  y = Concat<axis=1>(c, u) }""",
        sizes={"b": (2,), "h": (5, 8), "w": (7,)},
    )


@pytest.mark.parametrize(
    ("amount", "k"),
    [
        ("m = Sub(n, eight) r = Mod(m, four) s = Sub(four, r) p = Mod(s, four)", "a"),
        ("m = Neg(n) p = Mod(m, four)", "a"),
    ],
)
def test_a_pad_by_what_is_left_of_a_division(amount: str, k: str) -> None:
    check_onnx(
        f"""g (float[b, 3, n] x) => (float[b, 3, {k}] y) {CONSTANTS} {{
            n = Shape<start=2, end=3>(x) {amount} pads = Concat<axis=0>(zero, zero, zero, zero, zero, p)
            y = Pad(x, pads) }}""",
        sizes={"b": (2,), "n": (5, 8, 11)},
    )


def test_an_end_that_may_be_none() -> None:
    """-⌊n / 4⌋ is 0 for short ones: nothing then, and all but the last ones else."""
    text = f"""g (float[b, 3, n] x) => (float[b, 3, k] y) {CONSTANTS} {{
        n = Shape<start=2, end=3>(x) q = Div(n, four) m = Neg(q) y = Slice(x, q, m, two) }}"""
    check_onnx(text, sizes={"b": (2,), "n": (3, 8, 9, 13)})


@pytest.mark.parametrize("rest", [[], [3]])
def test_a_pad_that_shifts(rest: list[int]) -> None:
    """As many before as are cut behind: the size is the same, and the numbers are not."""
    shape, zeros = ",".join(["b", "t", *map(str, rest)]), ["zero"] * len(rest)
    amounts = ", ".join(["zero", "before", *zeros, "zero", "behind", *zeros])
    x = np.arange(8 * 3 ** len(rest), dtype=np.float32).reshape(2, 4, *rest)
    check_onnx(
        f"""g (float[{shape}] x, int64 k) => (float[{shape}] y) <int64[1] zero = {{0}}> {{
            before = Unsqueeze(k, zero)  behind = Neg(before)  p = Concat<axis=0>({amounts})  y = Pad(x, p) }}""",
        feeds=[{"x": x, "k": np.array(shift)} for shift in (1, 0, -2)],
    )
