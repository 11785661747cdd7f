"""Weights keep their names, and what only looks at them is not copied."""

from __future__ import annotations

import json

import numpy as np
import onnx_ir as ir
import pytest

from passes.fold.constants import FoldConstants
from passes.graph.weight_views import WEIGHT_KEY, MarkWeights
from tests.harness import check_pass, graph

RNG = np.random.default_rng(0)


def unreadable(*shape: int) -> ir.LazyTensor:
    """A weight that must not be read: a view of it is not a use of it."""

    def read() -> ir.TensorProtocol:
        raise AssertionError("the weight was read")

    return ir.LazyTensor(read, dtype=ir.DataType.FLOAT, shape=ir.Shape(shape))


def with_weight(text: str, name: str, tensor: ir.TensorProtocol | np.ndarray) -> ir.Model:
    """A graph of ONNX text in which one input becomes a weight."""
    model = graph(text)
    value = next(v for v in model.graph.inputs if v.name == name)
    model.graph.inputs.remove(value)
    value.const_value = ir.tensor(tensor) if isinstance(tensor, np.ndarray) else tensor
    value.shape, value.dtype = ir.Shape(value.const_value.shape), value.const_value.dtype
    model.graph.register_initializer(value)
    return model


def folded(model: ir.Model) -> dict[str, dict[str, object]]:
    """What the metadata says of each initializer."""
    MarkWeights()(model)
    FoldConstants()(model)
    return {
        name: json.loads(value.metadata_props[WEIGHT_KEY])
        for name, value in model.graph.initializers.items()
        if WEIGHT_KEY in value.metadata_props and value.uses()
    }


VIEWS = {
    "transpose": ("Transpose<perm=[1, 0]>(w)", [["transpose", [1, 0]]]),
    "twice": ("Transpose<perm=[1, 0]>(t)", []),
    "reshape": ("Reshape(w, s)", [["reshape", [2, 2, 6]]]),
    "flatten": ("Flatten<axis=0>(w)", [["reshape", [1, 24]]]),
    "unsqueeze": ("Unsqueeze(w, zero)", [["reshape", [1, 4, 6]]]),
    "identity": ("Identity(w)", []),
}


@pytest.mark.parametrize("name", VIEWS)
def test_views_are_lazy_and_say_what_they_are(name: str) -> None:
    operation, view = VIEWS[name]
    text = f"""g (float[N, 4] x, float[4, 6] w) => (float[a, b, c, d] y)
    <int64[3] s = {{2, -1, 6}}, int64[1] zero = {{0}}> {{
        t = Transpose(w)  u = {operation}  y = Mystery(x, u)
    }}"""
    model = with_weight(text, "w", unreadable(4, 6))
    (record,) = folded(model).values()
    assert record == {"name": "w", "view": view}
    assert [node.op_type for node in model.graph] == ["Mystery"]


def test_a_lazy_view_gives_the_elements() -> None:
    text = """g (float[N, 6] x, float[4, 6] w) => (float[N, 3, 8] y) <int64[2] s = {3, 8}> {
        t = Transpose(w)  u = Reshape(t, s)  v = Relu(u)  z = MatMul(x, t)  y = Add(z, v)
    }"""
    array = RNG.standard_normal((4, 6)).astype(np.float32)
    model = with_weight(text, "w", array)
    found = folded(model)
    view = model.graph.initializers["w_view"].const_value
    assert isinstance(view, ir.LazyTensor)
    np.testing.assert_array_equal(view.numpy(), array.T)
    assert found["w_derived"] == {"name": "w", "view": "derived"}
    derived = model.graph.initializers["w_derived"].const_value
    assert derived is not None
    np.testing.assert_array_equal(derived.numpy(), array.T.reshape(3, 8).clip(0))


def test_steps_join_and_cancel() -> None:
    text = """g (float[N] x, float[2, 3, 4] w) => (float[a, b, c] y) {
        t = Transpose<perm=[2, 0, 1]>(w)  u = Transpose<perm=[0, 2, 1]>(t)  y = Mystery(x, u)
    }"""
    (record,) = folded(with_weight(text, "w", unreadable(2, 3, 4))).values()
    assert record["view"] == [["transpose", [2, 1, 0]]]


def test_a_view_of_a_view_after_another_run_tells_the_whole_way() -> None:
    text = "g (float[N, 4] x, float[4, 6] w) => (float[N, 4] y) { t = Transpose(w)  y = Mystery(x, t) }"
    model = with_weight(text, "w", unreadable(4, 6))
    folded(model)
    mystery = model.graph[0]
    again = ir.node("Flatten", [mystery.inputs[1]], {"axis": 1})
    model.graph.insert_before(mystery, again)
    mystery.replace_input_with(1, again.outputs[0])
    (record,) = folded(model).values()
    assert record == {"name": "w", "view": [["transpose", [1, 0]]]}


def test_what_two_weights_make_is_named_after_neither() -> None:
    text = """g (float[N, 3] x, float[4, 6] w) => (float[N, 3] y) <float[4, 6] v = {VALUES}> {
        t = Add(w, v)  y = Mystery(x, t)
    }""".replace("VALUES", ", ".join(["1"] * 24))
    assert folded(with_weight(text, "w", np.ones((4, 6), np.float32))) == {
        "t": {"name": "t", "view": "derived", "of": ["v", "w"]}
    }


def test_a_table_looked_up_with_an_index_table_is_named_after_the_table() -> None:
    """Swin's relative position bias: both are torch buffers or parameters, one of them of integers."""
    text = """g (float[N] x, float[9, 3] w) => (float[N] y) <int64[2, 2] i = {0, 4, 8, 4}> {
        t = Gather(w, i)  y = Mystery(x, t)
    }"""
    model = with_weight(text, "w", np.ones((9, 3), np.float32))
    model.graph.initializers["i"].metadata_props["pkg.torch.export.graph_signature.InputSpec.kind"] = "BUFFER"
    assert folded(model) == {"w_derived": {"name": "w", "view": "derived"}}


def test_names_stay_unique() -> None:
    text = """g (float[N] x, float[4, 6] w) => (float[N] y) {
        w_derived = Relu(x)  a = Relu(w)  b = Neg(w)  c = Mystery(w_derived, a)  y = Mystery(c, b)
    }"""
    found = folded(with_weight(text, "w", np.ones((4, 6), np.float32)))
    assert sorted(found) == ["w_derived_2", "w_derived_3"]


@pytest.mark.parametrize(
    ("array", "kind", "is_weight"),
    [
        (np.ones(17, np.float32), None, True),
        (np.ones(16, np.float32), None, False),
        (np.ones(40, np.int64), None, False),
        (np.ones((), np.float32), "PARAMETER", True),
        (np.ones(3, np.int64), "BUFFER", True),
        (np.ones(3, np.float32), "CONSTANT_TENSOR", False),
    ],
)
def test_what_counts_as_a_weight(array: np.ndarray, kind: str | None, is_weight: bool) -> None:
    model = with_weight("g (float[N] x, float[M] w) => (float[N] y) { y = Mystery(x, w) }", "w", array)
    if kind:
        model.graph.initializers["w"].metadata_props["pkg.torch.export.graph_signature.InputSpec.kind"] = kind
    assert MarkWeights()(model).modified
    assert (WEIGHT_KEY in model.graph.initializers["w"].metadata_props) is is_weight
    assert not MarkWeights()(model).modified


def test_what_is_computed_from_no_weight_is_none_even_when_marked_again() -> None:
    text = (
        """g (float[N] x) => (float[N] y) <float r = {1}, int64[1] s = {20}> { e = Expand(r, s)  y = Mystery(x, e) }"""
    )
    model = graph(text)
    assert folded(model) == {}
    assert folded(model) == {}


def test_numbers_do_not_change() -> None:
    weight = ", ".join(f"{number:.3f}" for number in RNG.standard_normal(24))
    check_pass(
        FoldConstants(),
        f"""g (float[batch, 6] x) => (float[batch, 4] y) <float[4, 6] w = {{{weight}}}> {{
            t = Transpose(w)  n = Neg(t)  a = MatMul(x, t)  b = MatMul(x, n)  y = Mul(a, b)
        }}""",
        modified=True,
    )
