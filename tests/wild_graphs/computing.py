"""Reductions, products, windows, norms and recurrent nets."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.wild_graphs.drawing import Drawing, Value
from tests.wild_graphs.elementwise import partner

Drawn = list[Value] | None

REDUCTIONS = (
    "ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum",
    "ReduceSumSquare",
)  # fmt: skip
WHOLE = ("ReduceMax", "ReduceMin", "ReduceSum", "ReduceProd", "ReduceSumSquare", "ReduceL1")


def reduce(d: Drawing, x: Value) -> Drawn:
    if x.dtype == "bool" or not x.rank:
        return None
    axes = [axis - d.pick((0, x.rank)) for axis in d.some(range(x.rank))]
    names = [name for name in (REDUCTIONS if x.is_float else WHOLE) if name != "ReduceProd" or x.arrays[0].size < 64]
    inputs = [x, d.constant(axes)] if d.whole(0, 4) else [x]
    return d.node(d.pick(names), inputs, keepdims=d.whole(0, 1))


def along(d: Drawing, x: Value) -> Drawn:
    if not x.rank or not x.is_float:
        return None
    axis = d.whole(-x.rank, x.rank - 1)
    name = d.pick(("Softmax", "LogSoftmax", "Hardmax", "LpNormalization", "CumSum"))
    if name == "CumSum":
        where = d.constant(np.array(axis))
        return d.node(name, [x, where], exclusive=d.whole(0, 1), reverse=d.whole(0, 1))
    return d.node(name, [x], axis=axis, **({"p": d.pick((1, 2))} if name == "LpNormalization" else {}))


def arg(d: Drawing, x: Value) -> Drawn:
    if not x.rank or x.dtype == "bool":
        return None
    attributes = {"keepdims": d.whole(0, 1), "select_last_index": d.whole(0, 1)}
    return d.node(d.pick(("ArgMax", "ArgMin")), [x], axis=d.whole(-x.rank, x.rank - 1), **attributes)


def top_k(d: Drawing, x: Value) -> Drawn:
    if not x.rank or x.dtype == "bool":
        return None
    axis = d.whole(0, x.rank - 1)
    count = d.constant([d.whole(1, x.least(axis))])
    return d.node("TopK", [x, count], outputs=2, axis=axis, largest=d.whole(0, 1))


def matmul(d: Drawing, x: Value) -> Drawn:
    """With weights on either side, or with another tensor."""
    if not x.is_float or not x.rank:
        return None
    last, others = x.size(-1), [y for y in d.values if y.is_float and y.rank and _fits(x, y)]
    if others and d.yes():
        return d.node("MatMul", [x, d.pick(others)])
    if last is not None and d.yes():
        return d.node("MatMul", [x, d.weight(last, d.whole(1, 4)) if d.yes() else d.weight(last)])
    rows = x.size(-2) if x.rank > 1 else None
    return d.node("MatMul", [d.weight(d.whole(1, 4), rows), x]) if rows else None


def _fits(x: Value, y: Value) -> bool:
    return all(a.shape[-1] == b.shape[-2 if b.ndim > 1 else -1] for a, b in zip(x.arrays, y.arrays, strict=True))


def gemm(d: Drawing, x: Value) -> Drawn:
    if not x.is_float or x.rank != 2:
        return None
    turned, out = d.whole(0, 1), d.whole(1, 4)
    inner = x.size(0 if turned else 1)
    if inner is None:
        return None
    across = d.whole(0, 1)
    weights = d.weight(*((out, inner) if across else (inner, out)))
    bias = d.pick((None, d.weight(out), d.weight(1)))
    attributes = {"transA": turned, "transB": across, "alpha": d.pick((1.0, 0.5)), "beta": d.pick((1.0, 2.0))}
    return d.node("Gemm", [x, weights, bias], **attributes)


def einsum(d: Drawing, x: Value) -> Drawn:
    if not x.is_float or not 1 <= x.rank <= 4:
        return None
    letters = "abcd"[: x.rank]
    kept = "".join(d.some(letters))[:: d.pick((1, -1))]
    return d.node("Einsum", [x, x], equation=f"{letters},{letters}->{kept}")


def _image(x: Value) -> bool:
    return x.is_float and 3 <= x.rank <= 5 and x.size(1) is not None


def _window(d: Drawing, x: Value, *, dilated: bool = True) -> dict[str, Any]:
    rank = x.rank - 2
    attributes: dict[str, Any] = {
        "kernel_shape": [d.whole(1, 3) for _ in range(rank)],
        "strides": [d.whole(1, 3) for _ in range(rank)],
    }
    if dilated and d.yes():
        attributes["dilations"] = [d.whole(1, 2) for _ in range(rank)]
    if d.whole(0, 2):
        attributes["pads"] = [d.whole(0, k - 1) for k in attributes["kernel_shape"] * 2]
    else:
        attributes["auto_pad"] = d.pick(("SAME_UPPER", "SAME_LOWER", "VALID"))
    return attributes if _has_room(x, attributes) else {}


def _has_room(x: Value, window: dict[str, Any]) -> bool:
    """onnxruntime makes one result of an axis that is shorter than its window, and the standard none."""
    kernel = window["kernel_shape"]
    dilations = window.get("dilations", [1] * len(kernel))
    return all(x.least(axis + 2) >= (k - 1) * dilations[axis] + 1 for axis, k in enumerate(kernel))


def conv(d: Drawing, x: Value) -> Drawn:
    if not _image(x):
        return None
    channels, window = x.size(1) or 1, _window(d, x)
    if not window:
        return None
    group = d.pick([g for g in (1, 2, channels) if channels % g == 0])
    out = group * d.whole(1, 2)
    weights = d.weight(out, channels // group, *window["kernel_shape"])
    return d.node("Conv", [x, weights, d.weight(out) if d.yes() else None], group=group, **window)


def conv_transpose(d: Drawing, x: Value) -> Drawn:
    if not _image(x) or x.rank == 5:
        return None
    channels, window = x.size(1) or 1, _window(d, x)
    if not window:
        return None
    group = d.pick([g for g in (1, 2, channels) if channels % g == 0])
    out = d.whole(1, 2)
    if d.yes() and not window.get("auto_pad", "").startswith("SAME"):  # onnx' shapes and onnxruntime disagree there
        window["output_padding"] = [d.whole(0, stride - 1) for stride in window["strides"]]
    weights = d.weight(channels, out, *window["kernel_shape"])
    bias = d.weight(out * group) if d.yes() else None
    return d.node("ConvTranspose", [x, weights, bias], group=group, **window)


def pool(d: Drawing, x: Value) -> Drawn:
    if not _image(x):
        return None
    name = d.pick(("MaxPool", "AveragePool", "LpPool", "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"))
    if name.startswith("Global"):
        return d.node(name, [x])
    window = _window(d, x)
    if not window:
        return None
    if "auto_pad" not in window:
        window["ceil_mode"] = d.whole(0, 1) if name != "LpPool" else 0
    if name == "AveragePool":
        window["count_include_pad"] = d.whole(0, 1)
    return d.node(name, [x], **window)


def norm(d: Drawing, x: Value) -> Drawn:
    """Norms over channels, over groups of them, over the last axes."""
    if not x.is_float or x.rank < 2 or x.size(1) is None:
        return None
    channels = x.size(1) or 1
    scale, bias, mean = (d.weight(channels) for _ in range(3))
    name = d.pick(("BatchNormalization", "InstanceNormalization", "GroupNormalization", "LayerNormalization", "LRN"))
    if name == "BatchNormalization":
        return d.node(name, [x, scale, bias, mean, d.constant(np.linspace(0.5, 2, channels, dtype=np.float32))])
    if name == "LRN":
        return d.node(name, [x], size=3)
    if name == "LayerNormalization":
        last = x.size(-1)
        return d.node(name, [x, d.weight(last)], axis=-1, epsilon=0.1) if last else None
    groups = {"num_groups": d.pick([g for g in (1, 2, channels) if channels % g == 0])} if name[0] == "G" else {}
    return d.node(name, [x, scale, bias], epsilon=0.1, **groups)


def resize(d: Drawing, x: Value) -> Drawn:
    if not _image(x) or x.rank == 5:
        return None
    mode = d.pick(("nearest", "linear", "cubic")) if x.rank == 4 else d.pick(("nearest", "linear"))
    way = d.pick(("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric"))
    rounding = d.pick(("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"))
    attributes = {"mode": mode, "coordinate_transformation_mode": way, "nearest_mode": rounding}
    if d.yes():
        scales = [1.0, 1.0, *(d.pick((0.5, 1.0, 1.5, 2.0, 3.0)) for _ in range(x.rank - 2))]
        return d.node("Resize", [x, None, d.constant(scales, "float32")], **attributes)
    axes = list(range(2, x.rank))
    sizes = d.constant([d.whole(2, 12) for _ in axes])
    return d.node("Resize", [x, None, None, sizes], axes=axes, **attributes)


def blocks(d: Drawing, x: Value) -> Drawn:
    if not _image(x) or x.rank != 4:
        return None
    if d.yes():
        return d.node("DepthToSpace", [x], blocksize=2, mode=d.pick(("DCR", "CRD")))
    return d.node("SpaceToDepth", [x], blocksize=2)


def recurrent(d: Drawing, x: Value) -> Drawn:
    """[time, batch, width]: every output, or the last states."""
    if not x.is_float or x.rank != 3 or x.size(2) is None:
        return None
    name, direction = d.pick(("LSTM", "GRU", "RNN")), d.pick(("forward", "reverse", "bidirectional"))
    directions, gates = 2 if direction == "bidirectional" else 1, {"LSTM": 4, "GRU": 3, "RNN": 1}[name]
    hidden = d.whole(1, 3)
    weights = [d.weight(directions, gates * hidden, size) for size in (x.size(2) or 1, hidden)]
    bias = d.weight(directions, 2 * gates * hidden) if d.yes() else None
    extra = {"linear_before_reset": d.whole(0, 1)} if name == "GRU" else {}
    return d.node(name, [x, *weights, bias], outputs=2, direction=direction, hidden_size=hidden, **extra)


def attention(d: Drawing, x: Value) -> Drawn:
    if not x.is_float or x.rank != 4:
        return None
    return d.node("Attention", [x, x, x], is_causal=d.whole(0, 1))


def mean_of_several(d: Drawing, x: Value) -> Drawn:
    return d.node(d.pick(("Mean", "Sum", "Max", "Min")), [x, partner(d, x), partner(d, x)]) if x.is_float else None


DRAWN = (
    reduce, reduce, along, along, arg, top_k, matmul, matmul, gemm, einsum, conv, conv, conv_transpose, pool, pool,
    norm, resize, blocks, recurrent, attention, mean_of_several,
)  # fmt: skip
