"""What a converted model is tried with."""

from __future__ import annotations

import numpy as np
import pytest

from converter.proof.inputs.arrays import IntegerRanges, feeds
from converter.proof.inputs.cases import Case, graph_inputs, plan
from passes.errors import UsageError
from passes.shapes.infer import InferShapes
from tests.harness import graph

IMAGES = "g (float[batch,3,h,w] x) => (float[batch,3,h,w] y) { y = Relu(x) }"


def shapes(text: str, examples: dict[str, np.ndarray] | None = None) -> list[tuple[int, ...]]:
    inputs = graph_inputs(graph(text))
    return [feeds(inputs, case, examples)[inputs[0].name or ""].shape for case in plan(inputs, examples)]


def test_three_batch_sizes_and_two_other_image_sizes_one_odd_none_square() -> None:
    assert shapes(IMAGES) == [(1, 3, 64, 64), (2, 3, 64, 64), (3, 3, 64, 64), (1, 3, 96, 128), (1, 3, 67, 69)]


def test_static_sizes_get_three_seeds() -> None:
    text = "g (float[1,3,8,8] x) => (float[1,3,8,8] y) { y = Relu(x) }"
    inputs = graph_inputs(graph(text))
    cases = plan(inputs)
    assert [case.seed for case in cases] == [0, 1, 2]
    arrays = [feeds(inputs, case)["x"] for case in cases]
    assert not np.array_equal(arrays[0], arrays[1])
    assert np.array_equal(arrays[0], feeds(inputs, cases[0])["x"])


def test_an_example_is_a_case_of_its_own_and_gives_the_sizes() -> None:
    example = np.full((4, 3, 40, 56), 7, np.float32)
    inputs = graph_inputs(graph(IMAGES))
    cases = plan(inputs, {"x": example})
    assert feeds(inputs, cases[0], {"x": example})["x"] is example
    assert shapes(IMAGES, {"x": example})[1:] == [
        (1, 3, 40, 56),
        (2, 3, 40, 56),
        (3, 3, 40, 56),
        (4, 3, 72, 120),
        (4, 3, 43, 61),
    ]


def test_a_value_that_cannot_be_made_up_comes_from_the_example() -> None:
    inputs = graph_inputs(graph("g (float[1,n] x, int64 rate) => (float[1,n] y) { y = Relu(x) }"))
    examples = {"x": np.zeros((1, 512), np.float32), "rate": np.array(16000)}
    for case in plan(inputs, examples):
        assert feeds(inputs, case, examples)["rate"] == 16000


def test_indices_stay_inside_of_the_table_they_pick_from() -> None:
    model = graph("g (int64[batch,16] i) => (float[batch,16,2] y) <float[3,2] t = {1,2,3,4,5,6}> { y = Gather(t, i) }")
    inputs = graph_inputs(model)
    drawn = np.concatenate([feeds(inputs, case)["i"].ravel() for case in plan(inputs)])
    assert set(drawn) == {0, 1, 2}


@pytest.mark.parametrize(("dtype", "allowed"), [("int64", {0, 1}), ("bool", {False, True}), ("uint8", set(range(256)))])
def test_integers_and_booleans_are_valid(dtype: str, allowed: set[int]) -> None:
    inputs = graph_inputs(graph(f"g ({dtype}[64] x) => ({dtype}[64] y) {{ y = Identity(x) }}"))
    array = feeds(inputs, plan(inputs)[0])["x"]
    assert array.dtype.name == dtype
    assert set(array.tolist()) <= allowed
    assert len(set(array.tolist())) > 1


QUANTISED = """g (float[1,4,500] x) => (float[1,500,4] y) <float s = {0.01}, uint8 z = {28}> {
    t = Transpose<perm=[0,2,1]>(x)  q = QuantizeLinear(t, s, z)  y = DequantizeLinear(q, s, z) }"""


@pytest.mark.parametrize("is_a_node", [False, True])
def test_a_quantised_graph_gets_numbers_that_its_first_step_keeps_apart(is_a_node: bool) -> None:
    text = QUANTISED
    if is_a_node:
        text = text.replace("<float s = {0.01}, uint8 z = {28}> {", "{ s = Constant<value: tensor = float {0.01}>()")
        text = text.replace("t = T", "z = Constant<value: tensor = uint8 {28}>()  t = T")
    inputs = graph_inputs(graph(text))
    for case in plan(inputs):
        drawn = feeds(inputs, case)["x"]
        assert drawn.dtype == np.float32 and abs(drawn.mean() - 0.995) < 0.1
        assert 0.9 < np.mean((drawn > -0.28) & (drawn < 2.27)) < 1
    large = feeds(inputs, Case(0, {}, scale=100.0))["x"]
    assert large.max() > 100


def test_scales_by_channel_and_steps_of_what_was_computed_say_nothing() -> None:
    channels = QUANTISED.replace("float s = {0.01}, uint8 z = {28}", "float[4] s = {1,1,1,1}, uint8[4] z = {0,0,0,0}")
    behind = QUANTISED.replace("Transpose<perm=[0,2,1]>(x)", "Exp(x)")
    for text in (channels.replace("Linear(", "Linear<axis = 2>("), behind):
        inputs = graph_inputs(graph(text))
        assert abs(feeds(inputs, plan(inputs)[0])["x"].std() - 1) < 0.1


def test_weights_listed_as_inputs_are_no_inputs() -> None:
    model = graph("g (float[2] x, float[2] w) => (float[2] y) <float[2] w = {1, 2}> { y = Add(x, w) }")
    assert [value.name for value in graph_inputs(model)] == ["x"]


def test_an_example_that_does_not_fit_is_named() -> None:
    inputs = graph_inputs(graph(IMAGES))
    with pytest.raises(UsageError, match="example for input 'x' has rank 2, the source wants 4"):
        plan(inputs, {"x": np.zeros((1, 3), np.float32)})
    with pytest.raises(UsageError, match=r"has shape \(1, 4, 8, 8\)"):
        plan(inputs, {"x": np.zeros((1, 4, 8, 8), np.float32)})


def test_an_axis_without_a_name_gets_one() -> None:
    inputs = graph_inputs(graph("g (float[?,2] x) => (float[?,2] y) { y = Relu(x) }"))
    assert feeds(inputs, Case(0, {"x_dim0": 5}))["x"].shape == (5, 2)
    assert [feeds(inputs, case)["x"].shape[0] for case in plan(inputs)] == [1, 2, 3]


def test_lengths_are_parts_of_what_they_are_compared_with() -> None:
    """Rows of different lengths in a batch, the first as long as rows can be."""
    model = graph("""g (float[batch, n] x, int64[batch] lengths) => (float[batch, n] y)
        <int64 zero = {0}, int64 one = {1}, int64[1] last = {1}, float none = {0}> {
        s = Shape<start=1, end=2>(x)  t = Squeeze(s)  r = Range(zero, t, one)
        l = Unsqueeze(lengths, last)  m = Less(r, l)  y = Where(m, x, none) }""")
    InferShapes()(model)
    found = IntegerRanges.of(model.graph)
    assert {name: str(size) for name, size in found.lengths.items()} == {"lengths": "n"}
    for case in plan(graph_inputs(model)):
        lengths = feeds(graph_inputs(model), case, ranges=found)["lengths"]
        assert lengths[0] == case.dims["n"]
        assert (lengths >= case.dims["n"] // 2).all()


@pytest.mark.parametrize(
    "body",
    [
        "e = Gather<axis=0>(edges, first)  y = Gather<axis=0>(x, e)",
        "e = Gather<axis=0>(edges, first)  u = Unsqueeze(e, one)  y = GatherND(x, u)",
        "e = Gather<axis=0>(edges, first)  u = Unsqueeze(e, one)  g = Expand(none, s)  y = ScatterND(x, u, g)",
    ],
    ids=["Gather", "GatherND", "ScatterND"],
)
def test_indices_stay_inside_of_a_table_of_open_size(body: str) -> None:
    """The edges of a graph name its nodes, however many there are."""
    model = graph(f"""g (float[nodes, 3] x, int64[2, edges] edges) => (float[k, 3] y)
        <int64 first = {{0}}, int64[1] one = {{1}}, int64[1] three = {{3}}, float none = {{0}}> {{
        n = Shape<start=1, end=2>(edges)  s = Concat<axis=0>(n, three)  {body} }}""")
    InferShapes()(model)
    ranges = IntegerRanges.of(model.graph)
    assert [str(size) for size in ranges.tables["edges"]] == ["nodes"]
    drawn = [feeds(graph_inputs(model), Case(0, {"nodes": n, "edges": 40}), ranges=ranges)["edges"] for n in (1, 7)]
    assert [array.max() for array in drawn] == [0, 6]


def test_numbers_that_are_missing_in_an_example_bound_nothing() -> None:
    inputs = graph_inputs(graph("g (float[n, 2] x) => (float[n, 2] y) { y = Relu(x) }"))
    example = np.full((1, 2), np.nan, np.float32)
    assert np.isfinite(feeds(inputs, Case(0, {"n": 3}), {"x": example})["x"]).all()


def test_integers_that_a_one_hot_compares_are_what_it_knows() -> None:
    table = ", ".join(map(str, range(10)))
    model = graph(f"""g (int32[batch, 4] x) => (bool[batch, 4, 10] y)
        <int32[10] known = {{{table}}}, int64[3] s = {{0, 4, 1}}> {{ r = Reshape(x, s)  y = Equal(r, known) }}""")
    drawn = [feeds(graph_inputs(model), case)["x"] for case in plan(graph_inputs(model))]
    assert max(array.max() for array in drawn) > 1
    assert max(array.max() for array in drawn) < 10


def test_masks_are_neither_all_true_nor_all_false() -> None:
    model = graph("g (bool[2] m) => (bool[2] y) { y = Not(m) }")
    for seed in range(20):
        mask = feeds(graph_inputs(model), Case(seed, {}))["m"]
        assert mask.any()
        assert not mask.all()
