"""split_pads alone: onnxruntime before against onnxruntime after, and the forms that it leaves."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from converter.proof.compare import compare
from converter.proof.oracle import Oracle
from passes.errors import Unsupported
from passes.normalize.default_attributes import ExplicitDefaults
from passes.padding.split_pads import SplitPads
from passes.shapes.infer import InferShapes
from tests.harness import graph
from tests.padding_packs import Pack, packs

FORMS = {
    "Conv": {"auto_pad", "kernel_shape", "strides", "dilations", "group"},
    "ConvTranspose": {"kernel_shape", "strides", "dilations", "group"},
    "MaxPool": {"auto_pad", "kernel_shape", "strides"},
    "AveragePool": {"auto_pad", "kernel_shape", "strides"},
}


def settled(source: object) -> ir.Model:
    model = graph(source)
    for settle in (ExplicitDefaults(), InferShapes()):
        model = settle(model).model
    return model


def split(source: object) -> ir.Model:
    """The graph after the pass, checked to be stable and to have nothing but the final forms."""
    model = settled(source)
    SplitPads()(model)
    assert not SplitPads()(model).modified
    for node in model.graph:
        if node.op_type in FORMS:
            assert set(node.attributes) == FORMS[node.op_type]
            assert node.op_type == "ConvTranspose" or node.attributes["auto_pad"].as_string() in ("VALID", "SAME_UPPER")
            if node.op_type == "Conv":
                strides, dilations = node.attributes["strides"].as_ints(), node.attributes["dilations"].as_ints()
                assert max(strides) == 1 or max(dilations) == 1
    return model


@pytest.mark.parametrize("pack", packs(), ids=lambda pack: pack.name)
def test_every_case_computes_what_it_did(pack: Pack) -> None:
    after = Oracle(split(pack.model()), threads=1)
    for sizes in pack.run_sizes:
        feeds = pack.feeds(sizes)
        expected = Oracle(ir.from_proto(pack.reference(sizes)), threads=1).run(feeds)
        for case, wanted, found in zip(pack.cases, expected, after.run(feeds), strict=True):
            comparison = compare(wanted, found)
            assert comparison.passed, f"{case} at {sizes}: {comparison.reason}"


@pytest.mark.parametrize("pack", packs()[::7], ids=lambda pack: pack.name)
def test_every_value_has_the_shape_that_is_written_on_it(pack: Pack) -> None:
    model = split(pack.model())
    shapes = {value.name: value.shape for node in model.graph for value in node.outputs}
    assert all(shape is not None and None not in shape for shape in shapes.values())
    oracle = Oracle(model, threads=1)
    for sizes in pack.run_sizes[:2]:
        symbols = {"batch": 2, **{f"d{axis}": size for axis, size in enumerate(sizes)}}
        for name, array in oracle.values(pack.feeds(sizes), shapes).items():
            written = tuple(d if isinstance(d, int) else d.evaluate(symbols) for d in shapes[name])
            assert written == array.shape, name


def form(text: str) -> list[str]:
    """The operators after the pass, with what decides about their padding."""
    found = []
    for node in split(text).graph:
        name = f"{node.domain}::{node.op_type}" if node.domain else node.op_type
        if "auto_pad" in node.attributes:
            name += f":{node.attributes['auto_pad'].as_string()}"
        if node.op_type == "Pad":
            name += f":{node.inputs[1].const_value.numpy().tolist()}"
        found.append(name)
    return found


def one(operator: str, shape: str = "batch, 4, 8, 8", weights: str = "") -> str:
    return f"g (float[{shape}] x{weights}) => (y) {{ y = {operator} }}"


CONV_3 = ", float[3, 4, 3, 3] w"


def test_explicit_pads_become_a_pad_node() -> None:
    conv = "Conv <pads = [1, 1, 1, 1], strides = [2, 2]> (x, w)"
    padded = ["Pad:[0, 0, 1, 1, 0, 0, 1, 1]", "Conv:VALID"]
    assert form(one(conv, "batch, 4, h, w0", CONV_3)) == padded
    assert form(one(conv, "batch, 4, 9, 9", CONV_3)) == ["Conv:SAME_UPPER"]
    assert form(one(conv, "batch, 4, 9, w0", CONV_3)) == padded


def test_a_tail_that_no_window_reads_is_not_padded() -> None:
    conv = "Conv <pads = [1, 1, 1, 1], strides = [2, 2]> (x, w)"
    assert form(one(conv, weights=CONV_3)) == ["Pad:[0, 0, 1, 1, 0, 0, 0, 0]", "Conv:VALID"]


def test_stride_one_is_same_at_every_size() -> None:
    dynamic = "batch, 4, h, w0"
    assert form(one("Conv <pads = [1, 1, 1, 1]> (x, w)", dynamic, CONV_3)) == ["Conv:SAME_UPPER"]
    assert form(one("Conv <pads = [2, 2, 2, 2], dilations = [2, 2]> (x, w)", dynamic, CONV_3)) == ["Conv:SAME_UPPER"]
    near_miss = "Conv <pads = [1, 1, 1, 0]> (x, w)"
    assert form(one(near_miss, dynamic, CONV_3)) == ["Pad:[0, 0, 1, 1, 0, 0, 1, 0]", "Conv:VALID"]


def test_even_kernels_are_same_only_with_the_odd_pad_at_the_end() -> None:
    weights = ", float[3, 4, 2, 2] w"
    assert form(one("Conv <pads = [0, 0, 1, 1]> (x, w)", "1, 4, h, w0", weights)) == ["Conv:SAME_UPPER"]
    before = "Conv <pads = [1, 1, 0, 0]> (x, w)"
    assert form(one(before, "1, 4, h, w0", weights)) == ["Pad:[0, 0, 1, 1, 0, 0, 0, 0]", "Conv:VALID"]


def test_3d_strides_two_beyond_the_kernel_are_not_left_to_same() -> None:
    """TensorFlow without oneDNN computes them wrongly; tests/passes/padding/test_padding.py has the numbers."""
    conv = 'Conv <auto_pad = "SAME_UPPER", strides = [1, 1, STRIDE]> (x, w)'
    kernel = ", float[3, 4, 3, 3, 1] w"
    at_two, at_three = (one(conv.replace("STRIDE", s), "batch, 4, d, h, w0", kernel) for s in "23")
    assert form(at_two) == ["Conv:SAME_UPPER"]
    assert form(at_three) == ["Pad:[0, 0, 1, 1, 0, 0, 0, 1, 1, 0]", "Conv:VALID"]


def test_no_pads_are_valid() -> None:
    assert form(one("Conv (x, w)", weights=", float[3, 4, 1, 1] w")) == ["Conv:VALID"]
    assert form(one('Conv <auto_pad = "SAME_LOWER", strides = [2, 2]> (x, w)', weights=", float[3, 4, 1, 1] w")) == [
        "Conv:VALID"
    ]


def test_same_lower_is_a_plain_pad_where_one_serves_every_size() -> None:
    conv = 'Conv <auto_pad = "SAME_LOWER", strides = [2, 2]> (x, w)'
    dynamic = "batch, 4, h, w0"
    assert form(one(conv, dynamic, CONV_3)) == ["Pad:[0, 0, 1, 1, 0, 0, 1, 1]", "Conv:VALID"]
    assert form(one(conv, dynamic, ", float[3, 4, 2, 2] w")) == ["keraport::PadSame", "Conv:VALID"]
    assert form(one(conv, "batch, 4, 8, 9", ", float[3, 4, 2, 2] w")) == ["Pad:[0, 0, 0, 1, 0, 0, 0, 0]", "Conv:VALID"]


def test_strides_and_dilations_are_parted() -> None:
    both = "Conv <strides = [{s}, {s}], dilations = [{d}, {d}]> (x, w)"
    shape = "batch, 4, 20, 20"
    assert form(one(both.format(s=2, d=2), shape, CONV_3)) == ["Slice", "Conv:VALID"]
    assert form(one(both.format(s=2, d=3), shape, CONV_3)) == ["Conv:VALID", "Slice"]
    mixed = "Conv <strides = [2, 1], dilations = [1, 2]> (x, w)"
    assert form(one(mixed, shape, CONV_3)) == ["Conv:VALID", "Slice"]


def test_max_pool_pads_with_minus_infinity_or_the_least_integer() -> None:
    pool = "MaxPool <kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]> (x)"
    for dtype, least in (("float", -np.inf), ("float16", -np.inf), ("int8", -128), ("uint8", 0)):
        model = split(f"g ({dtype}[batch, 4, h, w0] x) => (y) {{ y = {pool} }}")
        pad = model.graph.node(0)
        assert pad.op_type == "Pad"
        values = [value.const_value.numpy() for value in pad.inputs[2:]]
        assert (values[0].item() if values else 0) == least


def test_average_pool_divides_by_what_counts() -> None:
    pool = "AveragePool <kernel_shape = [3, 3], strides = [{s}, {s}], pads = [1, 1, 1, 1], count_include_pad = {c}> (x)"
    dynamic = "batch, 4, h, w0"
    assert form(one(pool.format(s=1, c=0), dynamic)) == ["AveragePool:SAME_UPPER"]
    assert form(one(pool.format(s=1, c=1), dynamic)) == ["Pad:[0, 0, 1, 1, 0, 0, 1, 1]", "AveragePool:VALID"]
    assert form(one(pool.format(s=2, c=0))) == ["Pad:[0, 0, 1, 1, 0, 0, 0, 0]", "AveragePool:VALID", "Mul", "Mul"]
    assert form(one(pool.format(s=2, c=0), dynamic))[-1] == "Div"


def test_ceil_mode_with_kernel_two_and_stride_two_is_same() -> None:
    pool = "{} <kernel_shape = [2, 2], strides = [2, 2], ceil_mode = 1> (x)"
    assert form(one(pool.format("MaxPool"), "batch, 4, h, w0")) == ["MaxPool:SAME_UPPER"]
    assert form(one(pool.format("AveragePool"))) == ["AveragePool:VALID"]


def test_average_pool_is_same_only_where_that_is_symmetric() -> None:
    pool = 'AveragePool <kernel_shape = [{k}, {k}], strides = [{s}, {s}], auto_pad = "SAME_UPPER"> (x)'
    same, shape = ["AveragePool:SAME_UPPER"], "batch, 4, 9, 9"
    assert form(one(pool.format(k=3, s=1), "batch, 4, h, w0")) == same
    assert form(one(pool.format(k=3, s=2), shape)) == same
    assert form(one(pool.format(k=3, s=2)))[-2:] == ["Mul", "Mul"]
    assert form(one(pool.format(k=2, s=1), shape))[-2:] == ["Mul", "Mul"]
    assert form(one(pool.format(k=3, s=2), "batch, 4, h, w0"))[-1] == "Div"


def test_dilated_pools_are_strided_slices() -> None:
    pool = "MaxPool <kernel_shape = [2, 3], dilations = [2, 1]> (x)"
    assert form(one(pool)) == ["Slice", "Slice", "Max", "MaxPool:VALID"]


def test_transposed_convolutions_are_full() -> None:
    weights = ", float[4, 3, 3, 3] w, float[3] b"
    transposed = "ConvTranspose <strides = [2, 2]{more}> (x, w, b)"
    assert form(one(transposed.format(more=""), weights=weights)) == ["ConvTranspose"]
    cropped = transposed.format(more=", pads = [1, 1, 1, 1], output_padding = [1, 1]")
    assert form(one(cropped, "batch, 4, h, w0", weights)) == ["ConvTranspose", "Slice"]
    extended = transposed.format(more=", output_padding = [1, 1]")
    assert form(one(extended, "batch, 4, h, w0", weights)) == [
        "Pad:[0, 0, 0, 0, 0, 0, 1, 1]",
        "ConvTranspose",
        "Slice",
    ]
    shaped = transposed.format(more=", output_shape = [10, 10]")
    assert form(one(shaped, "batch, 4, 8, 8", weights)) == ["ConvTranspose", "Slice"]
    assert form(one(shaped, "batch, 4, h, w0", weights)) == [
        "Pad:[0, 0, 0, 0, 0, 0, 1, 1]",
        "ConvTranspose",
        "keraport::CentreCrop",
    ]


def test_new_nodes_carry_the_module_path() -> None:
    model = settled(one("Conv <pads = [1, 1, 1, 1], strides = [2, 2]> (x, w)", "batch, 4, h, w0", CONV_3))
    model.graph.node(0).metadata_props["keraport.module"] = "layer1.0.conv1"
    SplitPads()(model)
    assert [node.metadata_props["keraport.module"] for node in model.graph] == ["layer1.0.conv1"] * 2


def test_a_graph_output_keeps_its_name() -> None:
    model = split(one("Conv <strides = [2, 2], dilations = [3, 3]> (x, w)", "batch, 4, 20, 20", CONV_3))
    assert [value.name for value in model.graph.outputs] == ["y"]
    assert model.graph.outputs[0].producer().op_type == "Slice"


def test_indices_of_max_pool_are_refused_only_where_used() -> None:
    text = "g (float[1, 4, 8, 8] x) => ({outputs}) {{ y, i = MaxPool <kernel_shape = [2, 2]> (x) }}"
    with pytest.raises(Unsupported, match="Indices") as raised:
        split(text.format(outputs="y, i"))
    assert raised.value.node is not None
    assert form(text.format(outputs="y")) == ["MaxPool:VALID"]


def test_nothing_is_said_to_change_where_nothing_does() -> None:
    model = settled("g (float[1, 4] x) => (y) { y = Relu(x) }")
    assert not SplitPads()(model).modified
