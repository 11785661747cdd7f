"""Sizes that are known only when the model runs, and that serve as numbers: positions, masks, tables, repetitions."""

from __future__ import annotations

import numpy as np
import pytest

from converter.backends.keras.nesting.levels import count_transposes
from passes.errors import Unsupported
from tests.harness import check_onnx

SIZES = {"b": (1, 3), "t": (1, 2, 7)}
IDS = "int64[b, t] ids"
LENGTH = "s = Shape<start=1, end=2>(ids)  n = Squeeze(s)"
NUMBERS = "int64 zero = {0}, int64 one = {1}, int64[1] none = {0}, int64[1] first = {1}"


@pytest.mark.parametrize(
    ("constants", "body", "dtype"),
    [
        pytest.param(NUMBERS, "y = Range(zero, n, one)", "int64", id="positions"),
        pytest.param("int64 a = {5}, int64 d = {3}",
                     "e = Mul(n, d)  f = Add(e, a)  y = Range(a, f, d)", "int64", id="steps"),
        pytest.param("int64 a = {0}, int64 d = {-1}", "m = Neg(n)  y = Range(a, m, d)", "int64", id="backwards"),
        pytest.param("float a = {0.5}, float d = {1}",
                     "c = Cast<to=1>(n)  e = Add(a, c)  y = Range(a, e, d)", "float", id="floats"),
        pytest.param(NUMBERS, "r = Range(zero, n, one)  q = Mul(r, r)  y = Sub(q, n)", "int64", id="with-the-size"),
    ],
)  # fmt: skip
def test_range_of_a_size(constants: str, body: str, dtype: str) -> None:
    check_onnx(f"g ({IDS}) => ({dtype}[t] y) <{constants}> {{ {LENGTH}  {body} }}", sizes=SIZES)


@pytest.mark.parametrize("attributes", ["", "<start=1>", "<start=-2, end=-1>", "<end=2>"])
def test_shape_as_numbers(attributes: str) -> None:
    check_onnx(
        f"g (float[b, 3, t] x) => (int64[n] y) {{ s = Shape{attributes}(x)  y = Mul(s, s) }}",
        sizes=SIZES,
        layout="source",
    )


def test_size_as_a_number() -> None:
    check_onnx(
        "g (float[b, 3, t] x) => (float[b, 3, t] y) { s = Size(x) f = Cast<to=1>(s) y = Mul(x, f) }", sizes=SIZES
    )


def test_shape_of_channels_last() -> None:
    """The sizes are the source's, whichever way the tensor lies."""
    check_onnx(
        """g (float[b, 3, h, w] x) => (float[b, 3, h, w] y) {
            a = MaxPool<kernel_shape=[1, 1]>(x)  s = Shape(a)  f = Cast<to=1>(s)  m = ReduceMax<keepdims=0>(f)
            y = Mul(a, m) }""",
        sizes={"b": (1, 2), "h": (4, 9), "w": (5,)},
    )


@pytest.mark.parametrize(
    ("target", "value"),
    [("b, t", "1, 1"), ("b, t", "t"), ("b, 4, t", "4, 1"), ("t, t", "1, t"), ("b, 1, t, t", "1, t")],
)
def test_expand_to_two_sizes(target: str, value: str) -> None:
    names = {"b": "bs", "t": "ts", "1": "first", "4": "four"}
    parts = ", ".join(names[size] for size in target.split(", "))
    check_onnx(
        f"""g ({IDS}, float[{value}] x) => (float[{target}] y) <int64[1] first = {{1}}, int64[1] four = {{4}}> {{
            bs = Shape<start=0, end=1>(ids)  ts = Shape<start=1, end=2>(ids)
            shape = Concat<axis=0>({parts})  y = Expand(x, shape) }}""",
        sizes=SIZES,
    )


@pytest.mark.parametrize("target", ["n, t", "b, n"])
def test_expand_to_a_multiple(target: str) -> None:
    parts = ", ".join({"n": "ns", "b": "bs", "t": "ts"}[size] for size in target.split(", "))
    check_onnx(
        f"""g ({IDS}, float[1, 1] x) => (float[{target}] y) <int64[1] four = {{4}}> {{
            bs = Shape<start=0, end=1>(ids)  ts = Shape<start=1, end=2>(ids)  ns = Mul(bs, four)
            shape = Concat<axis=0>({parts})  y = Expand(x, shape) }}""",
        sizes=SIZES,
    )


def test_a_causal_mask() -> None:
    check_onnx(
        f"""g ({IDS}) => (bool[b, 1, t, t] y) <{NUMBERS}, int64[2] rows = {{0, 1}}, int64[3] columns = {{0, 1, 2}}> {{
            {LENGTH}  r = Range(zero, n, one)  q = Unsqueeze(r, first)  seen = LessOrEqual(r, q)
            bs = Shape<start=0, end=1>(ids)  shape = Concat<axis=0>(bs, first, s, s)  y = Expand(seen, shape) }}""",
        sizes=SIZES,
    )


def test_a_table_cut_to_the_length() -> None:
    """Position embeddings of at most 9 places, looked up by numbers that are cut off where the sequence ends."""
    places = ", ".join(str(i) for i in range(9))
    rows = ", ".join(str(i * 0.5) for i in range(9 * 4))
    checked = check_onnx(
        f"""g ({IDS}, float[b, t, 4] x) => (float[b, t, 4] y)
            <int64[1, 9] places = {{{places}}}, float[9, 4] table = {{{rows}}}, int64[1] from = {{0}},
             int64[1] first = {{1}}> {{
            s = Shape<start=1, end=2>(ids)  cut = Slice(places, from, s, first)
            p = Gather(table, cut)  y = Add(x, p) }}""",
        sizes=SIZES,
    )
    assert "Embedding" in {type(layer).__name__ for layer in checked.model.layers}


@pytest.mark.parametrize(("start", "end"), [(1, "t"), (0, "less"), (1, "less"), (0, "t")])
def test_cut_at_a_fixed_distance_from_the_end(start: int, end: str) -> None:
    """As `x[:, 1:] - x[:, :-1]` comes out of torch: the ends are computed."""
    checked = check_onnx(
        f"""g (float[b, t, 2] x) => (float[b, n, 2] y)
            <int64[1] from = {{{start}}}, int64[1] first = {{1}}> {{
            t = Shape<start=1, end=2>(x)  less = Sub(t, first)  y = Slice(x, from, {end}, first) }}""",
        sizes={"b": (1, 3), "t": (3, 7)},
    )
    assert not [layer for layer in checked.model.operations if "take" in layer.name]


def test_a_mask_cut_on_both_axes() -> None:
    numbers = ", ".join(str(i % 3) for i in range(81))
    check_onnx(
        f"""g (float[b, t, t] x) => (float[b, t, t] y)
            <float[9, 9] mask = {{{numbers}}}, int64[2] from = {{0, 0}}, int64[2] axes = {{0, 1}}> {{
            s = Shape<start=1, end=3>(x)  cut = Slice(mask, from, s, axes)  y = Mul(x, cut) }}""",
        sizes=SIZES,
    )


@pytest.mark.parametrize(
    ("x", "repeats", "y"),
    [("1, 4", "bs, first", "b, 4"), ("4, 1, t", "bs, first, first", "n, 1, t"), ("t, 1", "first, ts", "t, t")],
)
def test_repeated_as_often_as_a_size_says(x: str, repeats: str, y: str) -> None:
    check_onnx(
        f"""g ({IDS}, float[{x}] x) => (float[{y}] y) <int64[1] first = {{1}}> {{
            bs = Shape<start=0, end=1>(ids)  ts = Shape<start=1, end=2>(ids)
            times = Concat<axis=0>({repeats})  y = Tile(x, times) }}""",
        sizes=SIZES,
    )


def test_looked_up_by_merged_numbers() -> None:
    """[b, t] indices as one list, and the rows as [b, t, …] again: nothing has to be merged."""
    checked = check_onnx(
        f"""g ({IDS}) => (float[b, t, 4] y) <float[10, 4] table = {{{", ".join("1" for _ in range(40))}}},
            int64[1] flat = {{-1}}, int64[1] four = {{4}}> {{
            z = Mul(ids, ids)  k = Sub(z, z)  i = Reshape(k, flat)  rows = Gather(table, i)
            s = Shape(ids)  shape = Concat<axis=0>(s, four)  y = Reshape(rows, shape) }}""",
        sizes=SIZES,
    )
    assert not [layer for layer in checked.model.layers if "reshape" in type(layer).__name__.lower()]


def test_a_product_of_heads_in_the_batch() -> None:
    """As torch.bmm takes them: [b, 2, t, 4] as [2·b, t, 4]."""
    check_onnx(
        """g (float[b, 2, t, 4] q, float[b, 2, t, 4] k) => (float[b, 2, t, t] y)
            <int64[1] two = {2}, int64[1] four = {4}> {
            s = Shape<start=0, end=1>(q)  n = Mul(s, two)  l = Shape<start=2, end=3>(q)
            f = Concat<axis=0>(n, l, four)  a = Reshape(q, f)  b = Reshape(k, f)  c = Transpose<perm=[0, 2, 1]>(b)
            m = MatMul(a, c)  e = Exp(m)  back = Concat<axis=0>(s, two, l, l)  y = Reshape(e, back) }""",
        sizes=SIZES,
    )


def test_elements_taken_with_heads_in_the_batch() -> None:
    """As DeBERTa's relative positions are: [b, 2, t, t] as [2·b, t, t] and back."""
    check_onnx(
        """g (float[b, 2, t, t] x) => (float[b, 2, t, t] y) <int64[1] two = {2}, int64 zero = {0}, int64 one = {1}> {
            s = Shape<start=0, end=1>(x)  n = Mul(s, two)  l = Shape<start=2, end=3>(x)  k = Squeeze(l)
            f = Concat<axis=0>(n, l, l)  a = Reshape(x, f)  r = Range(zero, k, one)  i = Expand(r, f)
            m = Sub(k, one)  j = Sub(m, i)  e = GatherElements<axis=-1>(a, j)
            back = Concat<axis=0>(s, two, l, l)  y = Reshape(e, back) }""",
        sizes=SIZES,
    )


@pytest.mark.parametrize(
    ("node", "indices", "output"),
    [
        ("GatherND(x, i)", "n, 2", "n"),
        ("GatherElements<axis=1>(x, i)", "b, 2", "b, 2"),
        ("GatherElements<axis=0>(x, i)", "n, t", "n, t"),
    ],
)
def test_negative_indices_into_open_axes(node: str, indices: str, output: str) -> None:
    feeds = [
        {"x": np.arange(4, dtype=np.float32).reshape(2, 2), "i": np.array(i, np.int64)}
        for i in ([[-1, -2], [1, 0]], [[-2, -1], [0, -2]])
    ]
    check_onnx(f"g (float[b, t] x, int64[{indices}] i) => (float[{output}] y) {{ y = {node} }}", feeds=feeds)


@pytest.mark.parametrize(
    "text",
    [
        """g (float[b, t] x) => (int64[n] y) <int64 zero = {0}, int64 one = {1}> {
        h = Shape<start=0, end=1>(x)  w = Shape<start=1, end=2>(x)  d = Sub(w, h)  m = Squeeze(d)
        y = Range(zero, m, one) }""",
        """g (float[b, t] x, float[1] z) => (float[n] y) {
        h = Shape<start=0, end=1>(x)  w = Shape<start=1, end=2>(x)  m = Sub(w, h)  y = Expand(z, m) }""",
    ],
    ids=["range", "expand"],
)
def test_differences_are_sizes_that_a_layer_of_ours_counts(text: str) -> None:
    check_onnx(text, sizes={"b": (1, 2), "t": (3, 6)})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("""g (float[b, t] x, int64[2] n) => (float[c, d] y) { y = Tile(x, n) }""",
            "repeated a computed number of times", id="tile"),
        pytest.param("""g (float[b, t] x, int64[2] n) => (float[c, d] y) { y = Reshape(x, n) }""",
            "leaves more than one size open", id="reshape"),
    ],
)  # fmt: skip
def test_sizes_that_follow_from_nothing_are_refused(text: str, reason: str) -> None:
    with pytest.raises(Unsupported, match=reason):
        check_onnx(text)


@pytest.mark.parametrize(
    "size",
    [
        "Add(t, three)", "Sub(t, one)", "Mul(t, three)", "Mul(t, b)", "Add(t, b)", "Div(t, two)", "Max(t, three)",
        "Min(t, three)",
    ],
)  # fmt: skip
def test_a_size_that_no_tensor_has_is_made(size: str) -> None:
    """0, 1, 2, …, as many as the size: by Range, by Expand and at the end of a Slice."""
    text = f"""g (float[b, t] x) => (int64[n] counted, float[1, n] wide)
        <int64 zero = {{0}}, int64 one = {{1}}, int64 two = {{2}}, int64 three = {{3}}, float[1, 1] half = {{0.5}},
            int64[1] single = {{1}}> {{
        bs = Shape<start=0, end=1>(x)  b = Squeeze(bs)  ts = Shape<start=1, end=2>(x)  t = Squeeze(ts)
        n = {size}  counted = Range(zero, n, one)
        ns = Reshape(n, single)  target = Concat<axis=0>(single, ns)  wide = Expand(half, target) }}"""
    check_onnx(text, sizes={"b": (1, 3), "t": (1, 2, 5, 8)})


def test_half_of_a_size_rounded_up() -> None:
    """⌈t / 2⌉ is written as t - ⌊t / 2⌋."""
    check_onnx(
        """g (float[b, t] x) => (int64[n] y) <int64 zero = {0}, int64 one = {1}, int64 two = {2}> {
            ts = Shape<start=1, end=2>(x)  t = Squeeze(ts)
            h = Div(t, two)  n = Sub(t, h)  y = Range(zero, n, one) }""",
        sizes={"b": (1, 3), "t": (1, 2, 5, 8)},
    )


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect"])
def test_pads_that_the_graph_computes(mode: str) -> None:
    """To a multiple of 4, in channels-last axes."""
    check_onnx(
        f"""g (float[b, 3, h, w] x, float[4, 3, 1, 1] k) => (float[b, 3, H, W] y)
            <int64[2] none = {{0, 0}}, int64[1] one = {{1}}, int64[2] four = {{4, 4}}, float v = {{0.25}}> {{
            s = Shape<start=2>(x)  m = Mod(s, four)  d = Sub(four, m)  e = Mod(d, four)
            p = Concat<axis=0>(none, one, one, none, e)  y = Pad<mode="{mode}">(x, p, v) }}""".replace(
            ", float[4, 3, 1, 1] k", ""
        ),
        sizes={"b": (2,), "h": (4, 5, 7), "w": (6, 9)},
    )


def test_sizes_that_an_operator_needs_to_be_equal() -> None:
    """2 ⌈⌈h / 2⌉ / 2⌉ joins ⌈h / 2⌉, as in a feature pyramid: equal at multiples of 4, or nothing would run."""
    kernel = ", ".join(["0.1"] * 16)
    text = f"""g (float[b, 4, h, w] x) => (float[b, 8, H, W] y, float[b, 4, P, Q] z)
        <float[4, 4, 1, 1] k = {{{kernel}}}, float[4] scales = {{1, 1, 2, 2}}> {{
        a = Conv<strides=[2, 2]>(x, k)  c = Conv<strides=[2, 2]>(a, k)
        e = Resize<mode="nearest", nearest_mode="floor", coordinate_transformation_mode="asymmetric">(c, , scales)
        y = Concat<axis=1>(a, e)  z = Add(a, e) }}"""
    found = check_onnx(text, sizes={"b": (1, 2), "h": (8, 12), "w": (4, 16)})
    assert count_transposes(found.model) == 0
