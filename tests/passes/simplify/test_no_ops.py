"""What does nothing goes, and what only looks as if it did nothing stays."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from passes.graph.weight_views import MarkWeights
from passes.shapes.infer import InferShapes
from passes.simplify.constant_reshape_shape import ConstantReshapeShapes, constant_target
from passes.simplify.constant_resize_size import ConstantResizeSizes
from passes.simplify.no_ops import RemoveNoOps, RemoveZeroBias
from passes.simplify.unused import RemoveUnused
from tests.harness import check_pass, graph, operators

X = "float[batch, 4, 6] x"
CONSTANTS = """
    int64[3] zeros = {0, 0, 0}, int64[3] ends = {9223372036854775807, 4, 6}, int64[3] ones = {1, 1, 1},
    int64[3] minus = {-1, -1, -1}, int64[3] lows = {-99, -99, -99}, int64[6] nopads = {0, 0, 0, 0, 0, 0},
    int64[6] shift = {0, 0, 1, 0, 0, -1}, int64[3] same = {-1, 4, 6}, int64[3] all = {0, 1, 2}, bool no = {0},
    int64[1] last = {-1}, int64[1] far = {-99}, int64[1] two = {2}, float never = {0},
    int64 no_more = {0}, int64[1] six = {6}, int64[0] none = {}, int64[3] turned = {-1, 6, 4}
"""


def inferred(body: str, *, x: str = X, outputs: str = "float[a, b, c] y") -> ir.Model:
    model = graph(f"g ({x}) => ({outputs}) <{CONSTANTS}> {{ {body} }}")
    InferShapes()(model)
    return model


@pytest.mark.parametrize(
    "node",
    [
        "Identity(r)",
        "Clip(r)",
        "Dropout(r, never)",
        "Dropout(r, never, no)",
        "Cast<to=1>(r)",
        "CastLike(r, x)",
        "Transpose<perm=[0, 1, 2]>(r)",
        "Concat<axis=1>(r)",
        "Sum(r)",
        "Max(r)",
        "Slice(r, zeros, ends, all)",
        "Slice(r, zeros, ends, all, ones)",
        "Pad(r, nopads)",
        'Pad<mode="reflect">(r, nopads)',
        "Reshape(r, same)",
        "Expand(r, ones)",
        "Tile(r, ones)",
        "Split<axis=2>(r, six)",
        "ReduceSum<noop_with_empty_axes=1>(r)",
    ],
)
def test_no_ops_go(node: str) -> None:
    model = inferred(f"r = Relu(x)  n = {node}  y = Neg(n)")
    assert operators(check_pass(RemoveNoOps(), model, modified=True)) == ["Relu", "Neg"]


@pytest.mark.parametrize(
    "node",
    [
        "Slice(r, minus, lows, all, minus)",
        "Slice(r, last, far, two, last)",
        "Slice(r, last, six, two)",
        "Reshape(r, turned)",
        "Pad(r, shift)",
        "Cast<to=11>(r)",
        "Transpose<perm=[0, 2, 1]>(r)",
        "Concat<axis=1>(r, r)",
        "ReduceSum<keepdims=1>(r)",
        "Add(r, r)",
    ],
)
def test_near_misses_stay(node: str) -> None:
    dtype = "double" if "to=11" in node else "float"
    model = inferred(f"r = Relu(x)  y = {node}", outputs=f"{dtype}[a, b, c] y")
    assert len(operators(check_pass(RemoveNoOps(), model, modified=False))) == 2


@pytest.mark.parametrize(("node", "left"), [("Add(i, no_more)", 0), ("Sub(i, no_more)", 0), ("Mul(i, no_more)", 1)])
def test_zeros_added_to_whole_numbers_do_nothing(node: str, left: int) -> None:
    model = inferred(f"i = Cast<to=7>(x)  n = {node}  y = Neg(n)", outputs="int64[a, b, c] y")
    names = operators(check_pass(RemoveNoOps(), model, modified=not left))
    assert len(names) == 2 + left


def test_a_dropout_whose_mask_is_read_stays() -> None:
    model = inferred("r = Relu(x)  d, y = Dropout(r)", outputs="bool[a, b, c] y")
    check_pass(RemoveNoOps(), model, modified=False)


@pytest.mark.parametrize(("parts", "left"), [("e, r, e", []), ("e, r, r", ["Concat"]), ("e, e", ["Concat"])])
def test_what_is_empty_is_not_joined(parts: str, left: list[str]) -> None:
    """As some backbones give a picture without channels for the first level of a pyramid."""
    body = f"""r = Relu(x)  two = Shape<start=0, end=1>(x)  s = Concat<axis=0>(two, rest)
        e = ConstantOfShape(s)  j = Concat<axis=1>({parts})  y = Neg(j)"""
    model = graph(f"g ({X}) => (float[a, b, c] y) <int64[2] rest = {{0, 6}}> {{ {body} }}")
    InferShapes()(model)
    found = check_pass(RemoveNoOps(), model, sizes={"batch": (1, 3)})
    assert [op for op in operators(found) if op not in ("Relu", "Shape", "ConstantOfShape")][1:-1] == left


def test_an_output_keeps_its_name() -> None:
    model = check_pass(RemoveNoOps(), inferred("r = Relu(x)  y = Identity(r)"), modified=True)
    assert operators(model) == ["Relu"] and model.graph.outputs[0].name == "y"


def test_an_output_read_on_keeps_its_readers() -> None:
    model = inferred("r = Relu(x)  y = Identity(r)  z = Neg(y)", outputs="float[a, b, c] y, float[d, e, f] z")
    assert operators(check_pass(RemoveNoOps(), model, modified=True)) == ["Relu", "Neg"]


@pytest.mark.parametrize("node", ["Identity(x)", "Cast<to=1>(x)", "Dropout(x, never)", "Concat<axis=0>(x)"])
def test_an_input_handed_on_is_an_identity(node: str) -> None:
    model = check_pass(RemoveNoOps(), inferred(f"y = {node}"), modified=not node.startswith("Identity"))
    assert operators(model) == ["Identity"]


def test_one_value_under_two_output_names_keeps_one_identity() -> None:
    model = inferred("y = Relu(x)  z = Identity(y)", outputs="float[a, b, c] y, float[d, e, f] z")
    assert operators(check_pass(RemoveNoOps(), model)) == ["Relu", "Identity"]


def test_zeros_for_a_bias_go() -> None:
    text = """g (float[batch, 2, 5] x) => (float[batch, 3, 5] y)
    <float[3, 2, 1] w = {1, 2, 3, 4, 5, 6}, float[3] zeros = {0, 0, 0}> { y = Conv(x, w, zeros) }"""
    assert len(check_pass(RemoveZeroBias(), text, modified=True).graph[0].inputs) == 2


def test_a_weight_that_happens_to_be_zero_stays() -> None:
    model = graph(
        """g (float[batch, 2, 5] x) => (float[batch, 3, 5] y)
        <float[3, 2, 1] w = {1, 2, 3, 4, 5, 6}, float[3] bias = {0, 0, 0}> { y = Conv(x, w, bias) }"""
    )
    model.graph.initializers["bias"].metadata_props["pkg.torch.export.graph_signature.InputSpec.kind"] = "PARAMETER"
    MarkWeights()(model)
    check_pass(RemoveZeroBias(), model, modified=False)


def test_what_nobody_reads_goes() -> None:
    text = """g (float[batch, 2, 6, 6] x, float[3] other) => (float[batch, 2, 3, 3] y)
    <float[1] unused = {1}, float[1] z = {1}> {
        a, i = MaxPool<kernel_shape=[2, 2], strides=[2, 2]>(x)  b = Neg(z)  c = Relu(b)  y = Relu(a)
    }"""
    model = check_pass(RemoveUnused(), text, modified=True)
    assert operators(model) == ["MaxPool", "Relu"]
    assert len(model.graph[0].outputs) == 1
    assert not model.graph.initializers
    assert [value.name for value in model.graph.inputs] == ["x", "other"]


def test_a_later_output_keeps_those_before_it() -> None:
    weight = ", ".join(["0.1"] * 24)
    text = f"""g (float[5, 2, 3] x) => (float[1, 2, 2] h) <float[1, 8, 3] w = {{{weight}}}, float[1, 8, 2] r = {{
        {", ".join(["0.2"] * 16)}}}> {{ y, h, c = LSTM<hidden_size=2>(x, w, r) }}"""
    assert len(check_pass(RemoveUnused(), text, modified=True).graph[0].outputs) == 2


def test_absent_inputs_at_the_end_go() -> None:
    model = check_pass(RemoveUnused(), 'g (float[2] x) => (float[2] y) { y = Clip(x, "", "") }', modified=True)
    assert len(model.graph[0].inputs) == 1


def reshaped(x: str, arithmetic: str, y: str, *, modified: bool = True) -> list[int] | None:
    """The constant target of the last Reshape."""
    model = graph(
        f"""g (float[{x}] x) => (float[{y}] y) <int64 zero = {{0}}, int64[1] at0 = {{0}}, int64[1] at1 = {{1}},
            int64[1] at2 = {{2}}, int64[1] at3 = {{3}}, int64[1] at4 = {{4}}, int64[1] six = {{6}},
            int64[1] two = {{2}}> {{
            s = Shape(x)  n = Slice(s, at0, at1)  {arithmetic}  y = Reshape(x, t)
        }}"""
    )
    InferShapes()(model)
    sizes = {"batch": (1, 3), "h": (4, 5), "w": (6,)}
    model = check_pass(
        ConstantReshapeShapes(), model, sizes={k: v for k, v in sizes.items() if k in x}, modified=modified
    )
    target = model.graph[-1].inputs[1]
    assert target is not None
    return None if target.const_value is None else target.const_value.numpy().tolist()


def test_one_size_follows_from_the_others() -> None:
    assert reshaped("batch, 2, 6", "t = Concat<axis=0>(n, six, two)", "batch, 6, 2") == [-1, 6, 2]


def test_a_multiple_follows_too() -> None:
    assert reshaped("batch, 2, 6", "d = Mul(n, two)  t = Concat<axis=0>(d, six)", "b2, 6") == [-1, 6]


def test_sizes_at_their_places_are_kept() -> None:
    arithmetic = "h = Slice(s, at2, at3)  w = Slice(s, at3, at4)  p = Mul(h, w)  t = Concat<axis=0>(n, two, p)"
    assert reshaped("batch, 2, h, w", arithmetic, "batch, 2, hw") == [0, 2, -1]


def test_two_sizes_that_moved_stay_computed() -> None:
    arithmetic = "h = Slice(s, at2, at3)  w = Slice(s, at3, at4)  t = Concat<axis=0>(h, w, n, two)"
    assert reshaped("batch, 2, h, w", arithmetic, "h, w, batch, 2", modified=False) is None


def test_a_target_that_may_not_fit_stays() -> None:
    """The source would stop at other sizes: -1 would compute something."""
    assert constant_target([2, 6], [2, None]) is None
    model = graph("g (float[batch, h] x, int64[2] t) => (float[batch, 6] y) { y = Reshape(x, t) }")
    assert not ConstantReshapeShapes()(model).modified


def resized(sizes: str, *, modified: bool = True) -> ir.Node:
    model = graph(
        f"""g (float[batch, 2, h, w] x) => (float[a, b, c, d] y) <int64[1] at0 = {{0}}, int64[1] at2 = {{2}},
            int64[1] at4 = {{4}}, int64[2] fixed = {{9, 7}}, int64[2] three = {{3, 2}}, int64[1] seven = {{7}}> {{
            s = Shape(x)  nc = Slice(s, at0, at2)  hw = Slice(s, at2, at4)  {sizes}
            y = Resize<mode="linear", coordinate_transformation_mode="half_pixel">(x, , , t)
        }}"""
    )
    InferShapes()(model)
    trials = {"batch": (1, 2), "h": (4, 5), "w": (3, 6)}
    return check_pass(ConstantResizeSizes(), model, sizes=trials, modified=modified).graph[-1]


def test_sizes_of_some_axes() -> None:
    node = resized("t = Concat<axis=0>(nc, fixed)")
    assert tuple(node.attributes["axes"].value) == (2, 3)
    assert node.inputs[3] is not None and node.inputs[3].const_value is not None
    assert node.inputs[3].const_value.numpy().tolist() == [9, 7]


def test_whole_multiples_become_scales() -> None:
    node = resized("twice = Mul(hw, three)  t = Concat<axis=0>(nc, twice)")
    assert len(node.inputs) == 3 and node.inputs[2] is not None and node.inputs[2].const_value is not None
    assert node.inputs[2].const_value.numpy().tolist() == [1, 1, 3, 2]


def test_other_sizes_stay_computed() -> None:
    resized("half = Div(hw, three)  t = Concat<axis=0>(nc, half)", modified=False)


def test_sizes_that_say_nothing_new_are_scales_of_one() -> None:
    node = resized("t = Concat<axis=0>(nc, hw)")
    assert node.inputs[2] is not None and node.inputs[2].const_value is not None
    np.testing.assert_array_equal(node.inputs[2].const_value.numpy(), np.ones(4))
