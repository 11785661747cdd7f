"""Single rules of the layout pass, each on the smallest graph that tells it from its like."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from converter.backends.keras.nesting.levels import count_transposes
from tests.harness import check_onnx

GRAPHS = {
    # the axis that is normalised is the one before the last, where no channels-last axis has come in
    "batch norm of rows": "float[batch, 8, 8] x, float[8, 8] w, float[8] s, float[8] v"
    " | m = MatMul(x, w)  y = BatchNormalization<epsilon=0.1>(m, s, s, s, v)",
    "batch norm of a matrix": "float[batch, 8] x, float[8] s, float[8] v"
    " | y = BatchNormalization<epsilon=0.1>(x, s, s, s, v)",
    # three sizes, of which none is another's: a permutation and its inverse differ
    "dense after flatten": "float[batch, 2, 3, 5] x, float[2, 2, 1, 1] k, float[30, 4] w, float[4] b"
    " | c = Conv(x, k)  f = Flatten(c)  y = Gemm(f, w, b)",
    "resize to twice a live size": "float[batch, 2, h, w] x, float[2, 2, 1, 1] k"
    " | c = Conv(x, k)  s = Shape<start=2>(c)  d = Mul(s, two)  nc = Shape<end=2>(c)  t = Concat<axis=0>(nc, d)"
    ' y = Resize<mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor">(c, , , t)',
    "resize to twice the size of another": "float[batch, 2, h, w] x, float[batch, 1, p, q] z, float[2, 2, 1, 1] k"
    " | c = Conv(x, k)  s = Shape<start=2>(z)  d = Mul(s, two)  nc = Shape<end=2>(c)  t = Concat<axis=0>(nc, d)"
    ' y = Resize<mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor">(c, , , t)',
    "rows from the third on": "float[batch, t] x, float[9] table"
    " | s = Shape<start=1, end=2>(x)  e = Add(s, two)  p = Slice(table, two, e)  y = Add(x, p)",
    "softmax of six axes": "float[batch, 2, 3, 4, 2, 2] x"
    " | p = Transpose<perm=[0, 1, 3, 5, 2, 4]>(x)  y = Softmax<axis=2>(p)",
    "softmax of six axes, along the last": "float[batch, 2, 3, 4, 2, 5] x | y = Softmax<axis=3>(x)",
    # the base has six axes, the value has five
    "softmax on many axes": "float[batch, 2, 2, 2, 2, 2] x"
    " | p = Transpose<perm=[0, 2, 1, 4, 3, 5]>(x)  r = Reshape(p, five)  y = Softmax<axis=2>(r)",
}
"""Inputs | nodes. All but x and z are constants."""

SIZES = {"batch": (1, 3), "h": (3, 4), "w": (5,), "p": (2, 5), "q": (3,), "t": (1, 2, 7)}
NUMBERS = {"two": [2], "five": [0, 4, 2, 2, 2]}


def made(text: str) -> onnx.ModelProto:
    declared, body = text.split(" | ")
    header = '<ir_version: 10, opset_import: ["" : 23]>'
    model = onnx.parser.parse_model(f"{header} g ({declared}, int64[1] two, int64[5] five) => (float y) {{ {body} }}")
    graph, rng = model.graph, np.random.default_rng(0)
    for value in [value for value in graph.input if value.name not in ("x", "z")]:
        shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        array = rng.uniform(0.5, 2.0, shape).astype(np.float32)
        content = np.array(NUMBERS[value.name], np.int64) if value.name in NUMBERS else array
        graph.initializer.append(numpy_helper.from_array(content, value.name))
        graph.input.remove(value)
    graph.output[0].CopyFrom(helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None))
    return onnx.shape_inference.infer_shapes(model, data_prop=True)


@pytest.mark.parametrize("layout", ["channels_last", "source"])
@pytest.mark.parametrize("name", GRAPHS)
def test_a_rule_and_its_like(name: str, layout: str) -> None:
    declared = GRAPHS[name].partition(" | ")[0]
    sizes = {key: values for key, values in SIZES.items() if f"{key}," in declared or f"{key}]" in declared}
    check_onnx(made(GRAPHS[name]), sizes=sizes, layout=layout)


def test_what_hides_the_batch_does_not_lead() -> None:
    """Masks that were resized as the channels of one image, [1, b, h, w], and are added to every layer's tokens, as in
    DETR: the tokens stay images by places, what is added changes its axes."""
    numbers = ", ".join(["0.5"] * 9)
    text = f"""g (float[b,3,4,4] x, float[b,8,8] m) => (float[b,16,3] y)
        <float[3,3] w = {{{numbers}}}, float[3,3,1,1] k = {{{numbers}}}, float[3] row = {{1, 2, 3}},
         int64[1] zero = {{0}}, int64[1] three = {{3}}, float[4] scales = {{1, 1, 0.5, 0.5}},
         int64[3] tokens = {{0, 3, 16}}, int64[3] places = {{0, 16, 3}}> {{
        u = Unsqueeze(m, zero)  r = Resize<mode="nearest">(u, , scales)  s = Squeeze(r, zero)  e = Unsqueeze(s, three)
        p = Mul(e, row)  pos = Reshape(p, places)
        c = Conv(x, k)  f = Reshape(c, tokens)  t = Transpose<perm=[0,2,1]>(f)
        a = Add(t, pos)  h = MatMul(a, w)  g = Tanh(h)  i = Add(g, t)  j = Add(i, pos)  y = MatMul(j, w) }}"""
    assert count_transposes(check_onnx(text, sizes={"b": (1, 3)}).model) == 2
