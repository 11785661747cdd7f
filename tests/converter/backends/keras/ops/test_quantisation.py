"""Quantise steps, exactly as the standard says, and what onnxruntime's quantiser writes around them."""

from __future__ import annotations

import numpy as np
import pytest

import converter
from tests.harness import check_onnx, graph
from tests.op_cases import Case, c, case, x
from tests.op_checks import check, parameters

B = "batch"
HALF, THREE = np.float32(0.5), np.uint8(3)
CASES = {
    "QuantizeLinear": [
        case("QuantizeLinear", x(B, 3, 4, 5), HALF, THREE), case("QuantizeLinear", x(B, 7), HALF, np.int8(-9)), case("QuantizeLinear", x(B, 7), HALF),
        case("QuantizeLinear", x(B, 3, 4), c([0.1, 0.2, 0.3], "float32"), c([1, 2, 3], "uint8"), axis=1), case("QuantizeLinear", x(B, 7), HALF, output_dtype=3),
        case("QuantizeLinear", x(B, 6, 4), c(np.linspace(0.1, 0.6, 12).reshape(1, 3, 4), "float32"), c(np.arange(12).reshape(1, 3, 4), "uint8"), axis=1, block_size=2, _opset=21, _sizes={B: (1,)}),
    ],
    "DequantizeLinear": [
        case("DequantizeLinear", x(B, 3, 4, dtype="uint8"), HALF, THREE), case("DequantizeLinear", x(B, 7, dtype="int32"), HALF), case("DequantizeLinear", x(B, 7, dtype="int8"), HALF, np.int8(-9)),
        case("DequantizeLinear", x(B, 3, 4, dtype="int8"), c([0.1, 0.2, 0.3], "float32"), c([1, 2, 3], "int8"), axis=1),
    ],
}  # fmt: skip
X = np.array([[-3.0, -0.75, -0.25, 0.25, 0.75, 1.25, 3.0, 300.0]], np.float32)
CONSTANTS = "<float s = {0.5}, uint8 z = {3}, float t = {0.25}, uint8 v = {7}, float u = {20}, uint8 o = {100}>"


@pytest.mark.parametrize(("dtype", "zero"), [("int8", -5), ("uint8", 128), ("int16", 0), ("uint16", 1000)])
def test_rounds_half_to_even_and_saturates(dtype: str, zero: int) -> None:
    check_onnx(
        f"""g (float[batch,8] x) => ({dtype}[batch,8] q, float[batch,8] y) <float s = {{0.5}}, {dtype} z = {{{zero}}}> {{
            q = QuantizeLinear(x, s, z)  y = DequantizeLinear(q, s, z) }}""",
        feeds=[{"x": X}],
    )


@pytest.mark.parametrize(("dtype", "zero"), [("int4", -2), ("uint4", 5)])
def test_four_bits(dtype: str, zero: int) -> None:
    """They are held by 8 and saturate as what they are; also a zero point that is given, which onnxruntime cannot be."""
    text = """g (float[batch,8] x{given}) => (float[batch,8] y) <float s = {{0.5}}{constant}> {{
        q = QuantizeLinear(x, s, z)  y = DequantizeLinear(q, s, z) }}"""
    known = check_onnx(text.format(given="", constant=f", {dtype} z = {{{zero}}}"), feeds=[{"x": X}])
    given = converter.convert(graph(text.format(given=f", {dtype} z", constant="")), verify=False)
    assert [port.dtype for port in given.inputs] == ["float32", dtype]
    found = given.model([X, np.array(zero, dtype.removesuffix("4") + "8")])
    np.testing.assert_array_equal(found, known.model(X))


@pytest.mark.parametrize(("given", "operator"), [("float", "QuantizeLinear"), ("int8", "DequantizeLinear")])
@pytest.mark.parametrize(("axis", "scales"), [(1, "2,3,4"), (-1, "2,7,2")])
def test_blocks(given: str, operator: str, axis: int, scales: str) -> None:
    """A scale for each block of places along an axis; of the last block a part is there."""
    size = 3 if axis == 1 else 2
    result = "uint8" if given == "float" else "float"
    check_onnx(
        f"""g ({given}[2,7,4] x, float[{scales}] s) => ({result}[2,7,4] y) {{
            y = {operator}<axis={axis}, block_size={size}>(x, s) }}""",
        seeds=(0, 1),
    )


def test_blocks_of_an_image() -> None:
    """Behind a convolution the channels lie last."""
    check_onnx(
        """g (float[1,2,4,4] x) => (float[1,4,4,4] y)
            <float[4,2,1,1] w = {1, 2, 3, 4, 5, 6, 7, 8}, float[1,2,4,4] s = {
             0.1, 0.2, 0.3, 0.4, 0.1, 0.2, 0.3, 0.4, 0.1, 0.2, 0.3, 0.4, 0.1, 0.2, 0.3, 0.4,
             0.2, 0.2, 0.2, 0.2, 0.3, 0.3, 0.3, 0.3, 0.4, 0.4, 0.4, 0.4, 0.5, 0.5, 0.5, 0.5}> {
            c = Conv(x, w)  q = QuantizeLinear<axis=1, block_size=2>(c, s)
            y = DequantizeLinear<axis=1, block_size=2>(q, s) }""",
    )


def test_no_zero_point_and_a_scale_that_is_computed() -> None:
    check_onnx(
        """g (float[batch,8] x, float s) => (uint8[batch,8] q, float[batch,8] y) {
            q = QuantizeLinear(x, s)  y = DequantizeLinear(q, s) }""",
        feeds=[{"x": X, "s": np.float32(0.25)}],
    )


@pytest.mark.parametrize("axis", [1, -3])
def test_channels_of_an_image(axis: int) -> None:
    """Behind a convolution: the axis is the last one in Keras."""
    check_onnx(
        f"""g (float[batch,2,4,4] x) => (float[batch,3,4,4] y)
            <float[3,2,1,1] w = {{1, 2, 3, 4, 5, 6}}, float[3] s = {{0.1, 0.2, 0.3}}, int8[3] z = {{0, 1, 2}}> {{
            c = Conv(x, w)  q = QuantizeLinear<axis={axis}>(c, s, z)  y = DequantizeLinear<axis={axis}>(q, s, z) }}""",
        sizes={"batch": (1, 3)},
    )


def test_a_dynamic_scale() -> None:
    check_onnx(
        """g (float[batch,8] x) => (uint8[batch,8] q, float s, uint8 z) { q, s, z = DynamicQuantizeLinear(x) }""",
        sizes={"batch": (1, 3)},
        seeds=(0, 1, 2),
    )


KERNEL = "uint8[2,1,2,2] w = {1, 2, 3, 4, 5, 6, 7, 8}"
SMALL = {"x": np.arange(32, dtype=np.uint8).reshape(2, 1, 4, 4)}


@pytest.mark.parametrize(
    "text",
    [
        "int32[batch,2,5,5] y) <KERNEL, uint8 z = {3}> { y = ConvInteger<pads=[1,1,1,1]>(x, w, z) }",
        "uint8[batch,2,3,3] y) <KERNEL, float s = {0.5}, uint8 z = {3}, float u = {40}> {"
        " y = QLinearConv(x, s, z, w, s, z, u, z) }",
        "uint8[batch,2,3,3] y) <KERNEL, int32[2] b = {5, -9}, float s = {0.5}, uint8 z = {3}, float u = {40}> {"
        " y = QLinearConv(x, s, z, w, s, z, u, z, b) }",
        "uint8[batch,1,2,2] y) { y = MaxPool<kernel_shape=[2,2], strides=[2,2]>(x) }",
    ],
    ids=["ConvInteger", "QLinearConv", "a bias", "MaxPool"],
)
def test_images(text: str) -> None:
    check_onnx(f"g (uint8[batch,1,4,4] x) => ({text}".replace("KERNEL", KERNEL), feeds=[SMALL])


MICROSOFT = '<ir_version: 8, opset_import: ["" : 17, "com.microsoft" : 1]>\n'
ROWS = {"x": np.arange(24, dtype=np.uint8).reshape(2, 12)}
FLOATS = {"x": np.linspace(-2, 2, 24, dtype=np.float32).reshape(2, 12)}
M = "com.microsoft"


@pytest.mark.parametrize(
    "body",
    [
        f"{M}.QLinearAdd(x, s, z, x, t, v, u, o)",
        f"{M}.QLinearMul(x, s, z, x, t, v, u, o)",
        f"{M}.QLinearSigmoid(x, s, z, t, v)",
        f"{M}.QLinearLeakyRelu<alpha=0.1>(x, s, z, t, v)",
        f"{M}.QLinearConcat<axis=1>(u, o, x, s, z, x, t, v)",
    ],
)
def test_operators_of_the_quantiser(body: str) -> None:
    width = 24 if "Concat" in body else 12
    check_onnx(
        f"{MICROSOFT}g (uint8[batch,12] x) => (uint8[batch,{width}] y) {CONSTANTS} {{ y = {body} }}", feeds=[ROWS]
    )


@pytest.mark.parametrize(
    "body",
    [
        f"y = {M}.Gelu(x)",
        f"y = {M}.FastGelu(x, b)",
        f"y = {M}.BiasGelu(x, b)",
        f"y = {M}.QuickGelu<alpha=1.702>(x)",
        f"y = {M}.SkipLayerNormalization<epsilon=0.00001>(x, x, b, b, b)",
        "y = SimplifiedLayerNormalization<axis=-1, epsilon=0.00001>(x, b)",
    ],
)
def test_operators_of_the_optimiser(body: str) -> None:
    numbers = ", ".join(str(i / 4) for i in range(12))
    check_onnx(
        f"{MICROSOFT}g (float[batch,12] x) => (float[batch,12] y) <float[12] b = {{{numbers}}}> {{ {body} }}",
        feeds=[FLOATS],
    )


@pytest.mark.parametrize("case", parameters(CASES))
def test_equals_onnxruntime(case: Case) -> None:
    check(case)
