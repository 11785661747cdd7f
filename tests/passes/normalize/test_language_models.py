"""What onnxruntime's tools for language models write, against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

import converter
from passes.errors import Unsupported
from passes.normalize.inline_functions import InlineFunctions
from tests.harness import check_onnx

FLOAT, INT32, INT64 = TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64
WIDTH, HEADS = 8, 2
X = {"x": (FLOAT, ["b", "t", WIDTH])}


def normal(*shape: int) -> np.ndarray:
    return (np.random.default_rng(sum(shape)).normal(size=shape) * 0.5).astype(np.float32)


def model(
    op_type: str,
    given: dict[str, tuple[int, list[Any]]],
    names: list[str],
    weights: dict[str, np.ndarray],
    outputs: int = 1,
    **told: Any,
) -> ir.Model:
    """A node with these inputs, some of which are constants; "" is one that is left out."""
    ends = [f"y{place}" for place in range(outputs)]
    node = helper.make_node(op_type, names, ends, domain="com.microsoft", **told)
    inputs = [helper.make_tensor_value_info(name, *kind) for name, kind in given.items()]
    results = [helper.make_tensor_value_info(name, FLOAT, None) for name in ends]
    tensors = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    graph = helper.make_graph([node], "g", inputs, results, tensors)
    return ir.from_proto(helper.make_model(graph, opset_imports=opsets, ir_version=9))


SIZES = ((1, 4), (3, 7))
PROJECTION = {"w": normal(WIDTH, 3 * WIDTH), "p": normal(3 * WIDTH)}
TABLES = {"cos": np.cos(np.outer(np.arange(20), [1, 0.1])).astype(np.float32), "sin": normal(20, 2)}


def feeds(**more: Any) -> list[dict[str, np.ndarray]]:
    return [{"x": normal(b, t, WIDTH)} | {name: make(b, t) for name, make in more.items()} for b, t in SIZES]


def seen(b: int, t: int) -> np.ndarray:
    """The first rows whole, each next one key less."""
    return (np.arange(t)[None] < t - np.arange(b)[:, None]).astype(np.int32)


@pytest.mark.parametrize("causal", [0, 1])
def test_attention(causal: int) -> None:
    graph = model("Attention", X, ["x", "w", "p"], PROJECTION, num_heads=HEADS, unidirectional=causal)
    check_onnx(graph, feeds=feeds())


MASKS: dict[str, tuple[list[Any], Any]] = {
    "lengths": (["b"], lambda b, t: seen(b, t).sum(1).astype(np.int32)),
    "keys": (["b", "t"], seen),
    "each-query": (["b", "t", "t"], lambda b, t: np.repeat(seen(b, t)[:, None], t, 1)),
}


@pytest.mark.parametrize("name", MASKS)
def test_masks_of_attention(name: str) -> None:
    shape, make = MASKS[name]
    given = X | {"m": (INT32, shape)}
    graph = model("Attention", given, ["x", "w", "p", "m"], PROJECTION, num_heads=HEADS)
    check_onnx(graph, feeds=feeds(m=make))


def test_attention_that_keeps_keys() -> None:
    given = X | {"past": (FLOAT, [2, "b", HEADS, "n", WIDTH // HEADS])}
    names = ["x", "w", "p", "", "past"]
    graph = model("Attention", given, names, PROJECTION, 2, num_heads=HEADS, unidirectional=1)
    check_onnx(graph, feeds=feeds(past=lambda b, t: normal(2, b, HEADS, 3, WIDTH // HEADS)))


def test_attention_of_other_widths_and_with_a_bias() -> None:
    weights = {"w": normal(WIDTH, 20), "p": normal(20)}
    given = X | {"bias": (FLOAT, ["b", HEADS, "t", "t"])}
    told = {"num_heads": HEADS, "qkv_hidden_sizes": [8, 8, 4], "scale": 0.3}
    graph = model("Attention", given, ["x", "w", "p", "", "", "bias"], weights, **told)
    check_onnx(graph, feeds=feeds(bias=lambda b, t: normal(b, HEADS, t, t)))


@pytest.mark.parametrize("parts", ["plain", "bias", "mask", "past"])
def test_queries_keys_and_values_apart(parts: str) -> None:
    given: dict[str, Any] = X | {"k": (FLOAT, ["b", "s", WIDTH]), "v": (FLOAT, ["b", "s", WIDTH])}
    makers: dict[str, Any] = dict.fromkeys(("k", "v"), lambda b, t: normal(b, t + 2, WIDTH))
    names, weights, outputs = ["x", "k", "v"], {}, 1
    if parts == "bias":
        names, weights = [*names, "p"], {"p": normal(3 * WIDTH)}
    if parts == "mask":
        names, given = [*names, "", "m"], given | {"m": (INT32, ["b", "s"])}
        makers["m"] = lambda b, t: seen(b, t + 2)
    if parts == "past":
        size = WIDTH // HEADS
        names, outputs = [*names, "", "", "", "pk", "pv"], 3
        given |= {"pk": (FLOAT, ["b", HEADS, "n", size]), "pv": (FLOAT, ["b", HEADS, "n", size])}
        makers |= dict.fromkeys(("pk", "pv"), lambda b, t: normal(b, HEADS, 3, size))
    graph = model("MultiHeadAttention", given, names, weights, outputs, num_heads=HEADS)
    check_onnx(graph, feeds=feeds(**makers))


@pytest.mark.parametrize("woven", [0, 1])
@pytest.mark.parametrize("part", [0, 2], ids=["whole", "part"])
@pytest.mark.parametrize("rank", [3, 4])
def test_rotary_positions(rank: int, part: int, woven: int) -> None:
    half = (part or WIDTH // HEADS) // 2
    tables = {name: array[:, :half].copy() for name, array in TABLES.items()}
    shape = ["b", "t", WIDTH] if rank == 3 else ["b", HEADS, "t", WIDTH // HEADS]
    told = {"num_heads": HEADS, "rotary_embedding_dim": part} if part else {}
    given = {"x": (FLOAT, shape), "at": (INT64, ["b", "t"])}
    graph = model("RotaryEmbedding", given, ["x", "at", "cos", "sin"], tables, interleaved=woven, **told)
    made = [
        {
            "x": normal(b, t, WIDTH) if rank == 3 else normal(b, HEADS, t, WIDTH // HEADS),
            "at": np.arange(b * t).reshape(b, t) % 20,
        }
        for b, t in SIZES
    ]
    check_onnx(graph, feeds=made)


@pytest.mark.parametrize(("turned_a", "turned_b"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_products_that_turn_and_scale(turned_a: int, turned_b: int) -> None:
    given = {"x": (FLOAT, ["b", 5, 6] if not turned_a else ["b", 6, 5])}
    weights = {"w": normal(6, 3) if not turned_b else normal(3, 6)}
    graph = model("FusedMatMul", given, ["x", "w"], weights, alpha=0.25, transA=turned_a, transB=turned_b)
    check_onnx(graph, feeds=[{"x": normal(b, *(size for size in given["x"][1][1:]))} for b in (1, 3)])


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("segments", [False, True])
def test_words_positions_and_segments(segments: bool, masked: bool) -> None:
    """Beside the norm, onnxruntime gives how many tokens each row has; without a mask, none."""
    weights = {"e": normal(30, 8), "q": normal(16, 8), "g": normal(8), "h": normal(8)}
    weights |= {"s": normal(2, 8)} if segments else {}
    names = ["i", "j" if segments else "", "e", "q", "s" if segments else "", "g", "h", "m" if masked else ""]
    tokens = [name for name in names if name in ("i", "j", "m")]
    given: dict[str, Any] = {name: (INT32, ["b", "t"]) for name in tokens}
    graph = model("EmbedLayerNormalization", given, names, weights, 2, epsilon=1e-6)
    graph.graph.outputs[1].dtype = ir.DataType.INT32
    random = np.random.default_rng(0)
    check_onnx(
        graph,
        feeds=[
            {name: random.integers(0, 30 if name == "i" else 2, size).astype(np.int32) for name in tokens}
            for size in SIZES
        ],
    )


def packed(bits: int, *, zeros: bool, columns: int = 40, rows: int = 6, block: int = 16) -> ir.Model:
    random, blocks = np.random.default_rng(bits), -(-columns // block)
    weights: dict[str, np.ndarray] = {
        "q": random.integers(0, 256, (rows, blocks, block * bits // 8)).astype(np.uint8),
        "scales": (random.random(rows * blocks) * 0.1).astype(np.float32),
    }
    if zeros:
        weights["zero"] = random.integers(0, 256, rows * -(-blocks * bits // 8)).astype(np.uint8)
    told = {"N": rows, "K": columns, "bits": bits, "block_size": block}
    return model("MatMulNBits", {"x": (FLOAT, ["b", "t", columns])}, ["x", *weights], weights, **told)


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("bits", [4, 8])
def test_weights_of_few_bits_are_a_layer(bits: int, zeros: bool) -> None:
    checked = check_onnx(packed(bits, zeros=zeros), feeds=[{"x": normal(b, t, 40)} for b, t in SIZES])
    assert [type(layer).__name__ for layer in checked.model.layers] == ["InputLayer", "Dense", "Identity"]


def test_a_block_is_verified_in_plain_keras() -> None:
    graph = model("Attention", X, ["x", "w", "p"], PROJECTION, num_heads=HEADS, unidirectional=1)
    result = converter.convert(graph)
    assert result.verified and not result.report.custom_layers


REFUSED: dict[str, tuple[str, dict[str, Any], list[str], dict[str, Any], str]] = {
    "rounded": ("MatMulNBits", X, ["x"], {"accuracy_level": 4, "N": 1, "K": 8, "block_size": 16}, "8 bits"),
    "turned-batch": ("FusedMatMul", X, ["x", "x"], {"transBatchA": 1}, "turns the batch"),
    "packed": ("MultiHeadAttention", X, ["x"], {"num_heads": 2}, "in one tensor"),
    "no-heads": ("Attention", X, ["x", "x"], {"num_heads": 0}, "nobody counts"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    op_type, given, names, told, message = REFUSED[name]
    with pytest.raises(Unsupported, match=message):
        InlineFunctions()(model(op_type, given, names, {}, **told))
