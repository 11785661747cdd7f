"""Private operators written back as standard ones compute what they stand for, on a copy."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from converter.proof.oracle import Oracle
from passes.errors import Unsupported
from passes.lower import to_standard
from tests.harness import graph, operators

RNG = np.random.default_rng(0)
X = RNG.standard_normal((2, 4, 6, 6)).astype(np.float32)
LAST, FIRST = (0, 2, 3, 1), (0, 3, 1, 2)


def constants(**shapes: tuple[int, ...]) -> str:
    """Positive random weights as ONNX text."""
    parts = []
    for name, shape in shapes.items():
        values = (np.abs(RNG.standard_normal(shape)) + 0.5).reshape(-1)
        sizes, elements = ", ".join(map(str, shape)), ", ".join(f"{number:.4f}" for number in values)
        parts.append(f"float[{sizes}] {name} = {{{elements}}}")
    return ", ".join(parts)


def run(model: ir.Model, *arrays: np.ndarray) -> np.ndarray:
    feeds = dict(zip((value.name or "" for value in model.graph.inputs), arrays, strict=True))
    return Oracle(model, threads=1).run(feeds)[0]


CHANNELS_LAST: dict[str, tuple[str, dict[str, tuple[int, ...]], tuple[int, ...]]] = {
    "Conv": ("Conv<strides=[2, 1], kernel_shape=[3, 3]>(x, w, b)", {"w": (5, 4, 3, 3), "b": (5,)}, (5, 2, 4)),
    "Conv_groups": ('Conv<group=4, auto_pad="SAME_UPPER">(x, w)', {"w": (8, 1, 3, 3)}, (8, 6, 6)),
    "ConvTranspose": ("ConvTranspose<strides=[2, 2]>(x, w)", {"w": (4, 5, 3, 3)}, (5, 13, 13)),
    "MaxPool": ("MaxPool<kernel_shape=[2, 2], strides=[2, 2]>(x)", {}, (4, 3, 3)),
    "AveragePool": ("AveragePool<kernel_shape=[2, 3]>(x)", {}, (4, 5, 4)),
    "InstanceNormalization": ("InstanceNormalization(x, s, b)", {"s": (4,), "b": (4,)}, (4, 6, 6)),
    "GroupNormalization": ("GroupNormalization<num_groups=2>(x, s, b)", {"s": (4,), "b": (4,)}, (4, 6, 6)),
    "BatchNormalization": (
        "BatchNormalization(x, s, b, m, v)",
        {"s": (4,), "b": (4,), "m": (4,), "v": (4,)},
        (4, 6, 6),
    ),
    "LRN": ("LRN<size=3>(x)", {}, (4, 6, 6)),
    "DepthToSpace": ("DepthToSpace<blocksize=2>(x)", {}, (1, 12, 12)),
    "DepthToSpace_CRD": ('DepthToSpace<blocksize=2, mode="CRD">(x)', {}, (1, 12, 12)),
    "SpaceToDepth": ("SpaceToDepth<blocksize=3>(x)", {}, (36, 2, 2)),
}


@pytest.mark.parametrize("name", CHANNELS_LAST)
def test_channels_last_operators(name: str) -> None:
    call, shapes, (channels, *sizes) = CHANNELS_LAST[name]
    weights = constants(**shapes)
    head = f"<{weights}>" if weights else ""
    standard = graph(
        f"g (float[2, 4, 6, 6] x) => (float[2, {channels}, {sizes[0]}, {sizes[1]}] y) {head} {{ y = {call} }}"
    )
    private = graph(
        f"g (float[2, 6, 6, 4] x) => (float[2, {sizes[0]}, {sizes[1]}, {channels}] y) {head} {{ y = nhwc.{call} }}"
    )
    expected = run(standard, X)
    found = run(private, X.transpose(LAST))
    np.testing.assert_allclose(found.transpose(FIRST), expected, rtol=1e-5, atol=1e-6)
    assert operators(private) == [f"nhwc::{name.split('_')[0]}"], "the graph itself is not changed"


def test_channels_last_batch_normalization_of_a_matrix() -> None:
    call, head = "BatchNormalization(x, s, b, m, v)", constants(s=(4,), b=(4,), m=(4,), v=(4,))
    text = "g (float[2, 4] x) => (float[2, 4] y) <HEAD> { y = CALL }".replace("HEAD", head)
    x = X[:, :, 0, 0]
    np.testing.assert_allclose(
        run(graph(text.replace("CALL", f"nhwc.{call}")), x), run(graph(text.replace("CALL", call)), x), rtol=1e-6
    )


@pytest.mark.parametrize(
    ("given", "standard", "sizes"),
    [
        ("scales=[2.0, 1.5]", "float[4] s = {1, 1, 2, 1.5}", (12, 9)),
        ("sizes=[3, 7]", "int64[4] s = {2, 4, 3, 7}", (3, 7)),
    ],
)
def test_channels_last_resize(given: str, standard: str, sizes: tuple[int, int]) -> None:
    place = ", , s" if "float" in standard else ", , , s"
    text = f"""g (float[2, 4, 6, 6] x) => (float[2, 4, {sizes[0]}, {sizes[1]}] y) <{standard}> {{
        y = Resize<mode="linear">(x{place}) }}"""
    private = f"""g (float[2, 6, 6, 4] x) => (float[2, {sizes[0]}, {sizes[1]}, 4] y) {{
        y = nhwc.Resize<mode="linear", {given}>(x) }}"""
    found = run(graph(private), X.transpose(LAST))
    np.testing.assert_allclose(found.transpose(FIRST), run(graph(text), X), rtol=1e-5, atol=1e-6)


def test_a_resize_to_sizes_nobody_knows_is_refused() -> None:
    text = "g (float[2, 6, 6, 4] x) => (float[2, h, w, 4] y) { y = nhwc.Resize<sizes=[-1, 7]>(x) }"
    with pytest.raises(Unsupported, match="where all of its sizes come from"):
        to_standard(graph(text))


def test_a_resize_to_the_size_of_a_live_tensor() -> None:
    private = graph(
        """g (float[2, 6, 6, 4] x, float[2, h, 3] z) => (float[2, h2, 7, 4] y) {
            y = nhwc.Resize<mode="nearest", sizes=[-1, 7], like_axes=[1], like_factors=[2]>(x, z) }"""
    )
    fixed = graph(
        'g (float[2, 6, 6, 4] x) => (float[2, 10, 7, 4] y) { y = nhwc.Resize<mode="nearest", sizes=[10, 7]>(x) }'
    )
    x = X.transpose(LAST)
    np.testing.assert_array_equal(run(private, x, np.zeros((2, 5, 3), np.float32)), run(fixed, x))


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("is_causal", [0, 1])
def test_attention(bias: bool, is_causal: int) -> None:
    q, k, v = (RNG.standard_normal((2, 5, 3, 4)).astype(np.float32) for _ in range(3))
    mask = RNG.standard_normal((1, 3, 5, 5)).astype(np.float32)
    call = f"DotProductAttention<scale=0.3, is_causal={is_causal}>(q, k, v{', m' * bias})"
    text = f"""g (float[2, 5, 3, 4] q, float[2, 5, 3, 4] k, float[2, 5, 3, 4] v{", float[1, 3, 5, 5] m" * bias})
        => (float[2, 5, 3, 4] y) {{ y = keraport.{call} }}"""
    scores = 0.3 * np.einsum("bthd,bshd->bhts", q, k) + (mask if bias else 0)
    if is_causal:
        scores = np.where(np.tri(5, dtype=bool), scores, -np.inf)
    expected = np.einsum("bhts,bshd->bthd", softmax(scores), v)
    found = run(graph(text), q, k, v, *([mask] if bias else []))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bias", [False, True])
def test_dense(bias: bool) -> None:
    text = f"""g (float[2, 4, 6, 6] x) => (float[2, 4, 6, 3] y) <{constants(w=(6, 3), b=(3,))}> {{
        y = keraport.Dense(x, w{", b" * bias}) }}"""
    model = graph(text)
    w, b = (np.asarray(model.graph.initializers[name].const_value) for name in "wb")
    np.testing.assert_allclose(run(model, X), X @ w + (b if bias else 0), rtol=1e-5, atol=1e-5)


def test_silu() -> None:
    model = graph("g (float[2, 4, 6, 6] x) => (float[2, 4, 6, 6] y) { y = keraport.Silu(x) }")
    np.testing.assert_allclose(run(model, X), X / (1 + np.exp(-X)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float", "int64", "float16"])
def test_ones_like(dtype: str) -> None:
    model = graph(f"g ({dtype}[n, 3] x) => ({dtype}[n, 3] y) {{ y = keraport.OnesLike(x) }}")
    x = np.zeros((4, 3), {"float": np.float32}.get(dtype, dtype))
    np.testing.assert_array_equal(run(model, x), np.ones_like(x))
    assert run(model, x).dtype == x.dtype


def test_expand_with_a_size_of_a_live_tensor() -> None:
    model = graph(
        """g (float[1, 1, 6] x, float[batch, 4] like) => (float[batch, 3, 6] y) {
            y = keraport.Expand<shape=[-1, 3, 0], axis=0>(x, like) }"""
    )
    x = X[:1, 0, :1]
    found = run(model, x, np.zeros((5, 4), np.float32))
    np.testing.assert_array_equal(found, np.broadcast_to(x, (5, 3, 6)))


def test_expand_to_fixed_sizes() -> None:
    model = graph("g (float[2, 1, 6] x) => (float[2, 3, 6] y) { y = keraport.Expand<shape=[0, 3, 0], axis=0>(x) }")
    np.testing.assert_array_equal(run(model, X[:, :1, 0]), np.broadcast_to(X[:, :1, 0], (2, 3, 6)))


@pytest.mark.parametrize("text", ["nhwc.Mystery(x)", "keraport.Mystery(x)"])
def test_an_operator_that_is_not_registered_has_no_meaning(text: str) -> None:
    with pytest.raises(ValueError, match="There is no private operator"):
        to_standard(graph(f"g (float[2, 6, 6, 4] x) => (float[2, 6, 6, 4] y) {{ y = {text} }}"))


def test_names_metadata_and_tensors_are_those_of_the_graph() -> None:
    text = f"""g (float[2, 6, 6, 4] x) => (float[2, 4, 4, 5] y) <{constants(w=(5, 4, 3, 3))}, float[2, 4, 4, 5] c> {{
        c = nhwc.Conv(x, w)  y = keraport.Silu(c) }}"""
    model = graph(text)
    for node in model.graph:
        node.metadata_props["keraport.module"] = f"block.{node.op_type}"
    lowered = to_standard(model)
    values: dict[str | None, Any] = {output.name: node for node in lowered.graph for output in node.outputs}
    assert {"c", "y"} <= values.keys()
    assert {node.metadata_props["keraport.module"] for node in lowered.graph} == {"block.Conv", "block.Silu"}
    assert lowered.graph.initializers["w"].const_value is model.graph.initializers["w"].const_value
    assert dict(lowered.opset_imports) == {"": 23}
    assert operators(model) == ["nhwc::Conv", "keraport::Silu"]


@pytest.mark.parametrize(("to", "dtype"), [(7, "int64"), (6, "int32"), (1, "float")])
def test_positions(to: int, dtype: str) -> None:
    text = f"g (float[2, n, 6] x) => ({dtype}[n] y) {{ y = keraport.Positions<axis=1, to={to}>(x) }}"
    found = run(graph(text), np.zeros((2, 5, 6), np.float32))
    assert found.tolist() == [0, 1, 2, 3, 4]
    assert found.dtype == np.dtype("float32" if dtype == "float" else dtype)


@pytest.mark.parametrize("number", [0, 5])
def test_counted(number: int) -> None:
    found = run(graph("g (int64[1] x) => (int64[n] y) { y = keraport.Counted(x) }"), np.array([number]))
    assert found.tolist() == list(range(number)) and found.dtype == np.int64


def spectrum(x: np.ndarray, axis: int, length: int | None, attributes: str) -> np.ndarray:
    """In float64, as pairs."""
    numbers = x[..., 0] + 1j * (x[..., 1] if x.shape[-1] == 2 else 0)
    found = (np.fft.ifft if "inverse" in attributes else np.fft.fft)(numbers.astype(complex), length, axis)
    if "onesided" in attributes:
        found = np.take(found, range(found.shape[axis] // 2 + 1), axis)
    return np.stack([found.real, found.imag], -1)


@pytest.mark.parametrize("attributes", ["", "<inverse=1>", "<onesided=1>"])
@pytest.mark.parametrize(("sizes", "axis"), [("b,400,1", 1), ("b,400,2", 1), ("b,400,3,2", 1), ("b,3,400,1", 2)])
@pytest.mark.parametrize("length", [None, 300, 410])
def test_a_dft_in_which_onnxruntime_loses_digits(sizes: str, axis: int, length: int | None, attributes: str) -> None:
    if "onesided" in attributes and sizes.endswith("2"):
        return
    cut = "" if length is None else f", int64 n = {{{length}}}"
    source = graph(f"""g (float[{sizes}] x) => (float[{",".join("abcd"[: sizes.count(",") + 1])}] y)
        <int64 axis = {{{axis}}}{cut}> {{ y = DFT{attributes}(x, {"n" if cut else ""}, axis) }}""")
    x = RNG.standard_normal([2, *map(int, sizes.split(",")[1:])]).astype(np.float32)
    wanted = spectrum(x, axis, length, attributes)
    assert operators(to_standard(source)) == ["Transpose", "Reshape", "MatMul", "Reshape", "Transpose"]
    assert np.abs(run(source, x) - wanted).max() < 2e-6 * np.abs(wanted).max()


@pytest.mark.parametrize("onesided", [0, 1])
@pytest.mark.parametrize("last", ["", ",1"])
def test_an_stft_in_which_onnxruntime_loses_digits(onesided: int, last: str) -> None:
    taps = ", ".join(f"{number:.6f}" for number in np.hanning(300))
    source = graph(f"""g (float[b,n{last}] x) => (float[b,t,k,2] y) <int64 step = {{100}}, float[300] w = {{{taps}}}> {{
        y = STFT<onesided={onesided}>(x, step, w) }}""")
    x = RNG.standard_normal((2, 750)).astype(np.float32)
    frames = np.stack([x[:, start : start + 300] for start in range(0, 451, 100)], 1) * np.hanning(300)
    attributes = "onesided" if onesided else ""
    wanted = spectrum(frames[..., None], 2, None, attributes)
    found = run(source, x.reshape(2, 750, 1) if last else x)
    assert found.shape == wanted.shape and np.abs(found - wanted).max() < 2e-6 * np.abs(wanted).max()


def test_a_dft_of_a_power_of_two_stays() -> None:
    source = graph("g (float[b,256,1] x) => (float[b,256,2] y) <int64 axis = {1}> { y = DFT(x, , axis) }")
    assert operators(to_standard(source)) == ["DFT"]
