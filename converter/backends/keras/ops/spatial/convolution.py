"""Convolutions, channels last. The passes have taken the pads out, or proved that they are Keras's `same`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from keras import layers, ops

from converter.backends.keras.build.live_sizes import ones
from converter.backends.keras.build.operands import operand, operands
from converter.backends.keras.build.registry import op
from converter.backends.keras.build.sums import add
from converter.backends.keras.build.weights import ConstantInput, with_weights
from passes.errors import BadSource, Unsupported

PADDING = {"VALID": "valid", "NOTSET": "valid", "SAME_UPPER": "same"}


@op("nhwc::Conv")
def conv(
    x: Any,
    kernel: ConstantInput,
    bias: ConstantInput | None = None,
    *,
    strides: Sequence[int],
    dilations: Sequence[int],
    group: int,
    kernel_shape: Sequence[int] = (),
    auto_pad: str = "VALID",
    name: str,
) -> Any:
    """Convolution. ONNX kernels are [out, in/groups, *spatial]; Keras wants [*spatial, in/groups, out]."""
    if not isinstance(kernel, ConstantInput) or not isinstance(bias, ConstantInput | None):
        return _computed(x, kernel, bias, group, name, strides=strides, dilations=dilations, padding=PADDING[auto_pad])
    rank = len(kernel.shape) - 2
    out, per_group, *size = kernel.shape
    if x.shape[-1] is None:
        raise Unsupported(
            "A convolution over channels whose number is known only at run time is not converted.",
            hint="Give a number for the channels with --input.",
        )
    if x.shape[-1] != group * per_group:  # onnxruntime reads past the end of such a kernel
        raise BadSource(f"A kernel for {group * per_group} channels is given {x.shape[-1]}.")
    common: dict[str, Any] = {
        "strides": tuple(strides),
        "padding": PADDING[auto_pad],
        "dilation_rate": tuple(dilations),
        "use_bias": bias is not None,
        "name": name,
        "dtype": x.dtype,
    }
    if group > 1 and per_group == 1 and rank < 3 and len(set(strides)) == 1:
        depthwise = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)[rank - 1]
        common["strides"] = strides[0]
        layer = depthwise(tuple(size), depth_multiplier=out // group, **common)
        # [groups·m, 1, *spatial] → [*spatial, groups, m]
        split = ("reshape", (group, out // group, *size))
        return with_weights(layer, x, kernel=(kernel, (split, ("transpose", (*range(2, rank + 2), 0, 1)))), bias=bias)
    convolution = (layers.Conv1D, layers.Conv2D, layers.Conv3D)[rank - 1]
    layer = convolution(out, tuple(size), groups=group, **common)
    return with_weights(layer, x, kernel=(kernel, (*range(2, rank + 2), 1, 0)), bias=bias)


def _computed(
    x: Any, kernel: Any, bias: Any, group: int, name: str, *, strides: Any, dilations: Any, padding: str
) -> Any:
    """A convolution whose weights the graph computes is no layer but an operation, and one for each group."""
    kernel, bias = operand(kernel, x, name=name), operand(bias, x, name=name)
    rank = len(x.shape) - 2
    kernel = ops.transpose(kernel, (*range(2, rank + 2), 1, 0))
    parts = [
        ops.conv(part, taps, tuple(strides), padding, data_format="channels_last", dilation_rate=tuple(dilations))
        for part, taps in _groups(x, kernel, group)
    ]
    y = ops.concatenate(parts, axis=-1) if group > 1 else parts[0]
    return y if bias is None else add(y, bias)


def _groups(x: Any, kernel: Any, group: int) -> Iterable[tuple[Any, Any]]:
    """The channels of each group, and its kernel: of both the last axis is cut."""
    if group == 1:
        return [(x, kernel)]
    return zip(ops.split(x, group, axis=-1), ops.split(kernel, group, axis=-1), strict=True)


@op("nhwc::ConvTranspose")
def conv_transpose(
    x: Any,
    kernel: ConstantInput,
    bias: ConstantInput | None = None,
    *,
    strides: Sequence[int],
    dilations: Sequence[int],
    group: int,
    kernel_shape: Sequence[int] = (),
    name: str,
) -> Any:
    """The full transposed convolution, s·(n−1) + (k−1)·d + 1 long: nothing is cropped yet.

    ONNX kernels are [in, out/groups, *spatial]; Keras wants [*spatial, out, in]. Keras has no groups here, so the
    kernel becomes block-diagonal, and no stride together with dilation, so the zeros between the taps are written out.
    Keras `valid` is s·(n−1) + max(k, s) long: the tail beyond the last tap holds the bias alone and is cut off.
    """
    rank = len(kernel.shape) - 2
    _, per_group, *size = kernel.shape
    extent = [(k - 1) * d + 1 for k, d in zip(size, dilations, strict=True)]
    if not isinstance(kernel, ConstantInput) or not isinstance(bias, ConstantInput | None):
        return _computed_transpose(x, kernel, bias, group, name, strides=strides, dilations=dilations)
    layer = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)[rank - 1](
        per_group * group,
        tuple(extent),
        strides=tuple(strides),
        padding="valid",
        use_bias=bias is not None,
        name=name,
        dtype=x.dtype,
    )
    order = (*range(2, rank + 2), 1, 0)
    plain = group == 1 and extent == size
    y = with_weights(layer, x, kernel=(kernel, order if plain else _FullKernel(group, tuple(dilations))), bias=bias)
    tails = [max(s - e, 0) for s, e in zip(strides, extent, strict=True)]
    return y[(slice(None), *(slice(None, -t or None) for t in tails))] if any(tails) else y


def _computed_transpose(
    x: Any, kernel: Any, bias: Any, group: int, name: str, *, strides: Sequence[int], dilations: Sequence[int]
) -> Any:
    """A transposed convolution whose kernel the graph computes: a convolution with the kernel turned round of the image
    with zeros between its pixels. The operation of this name that Keras (3.15) has fails in a model.
    """
    x, kernel = operands(x, kernel, name=name)
    rank = len(x.shape) - 2
    spatial = range(1, rank + 1)
    for axis, stride in zip(spatial, strides, strict=True):
        x = _spread(x, axis, stride)
    amounts = [(k - 1) * d for k, d in zip(kernel.shape[2:], dilations, strict=True)]
    x = ops.pad(x, ((0, 0), *((n, n) for n in amounts), (0, 0)))
    kernel = ops.flip(kernel, axis=tuple(range(2, rank + 2)))
    # [in, out/groups, *spatial], of which a group has some of the first axis → [out, in/groups, *spatial]
    kernel = ops.concatenate(ops.split(kernel, group, axis=0), axis=1) if group > 1 else kernel
    kernel = ops.swapaxes(kernel, 0, 1)
    return _computed(x, kernel, bias, group, name, strides=(1,) * rank, dilations=dilations, padding="valid")


def _spread(x: Any, axis: int, stride: int) -> Any:
    """n elements → s·n − (s − 1), with s − 1 zeros between two."""
    if stride == 1:
        return x
    place = ops.cumsum(ops.repeat(ones(x, axis), stride)) - 1
    kept = ops.cast(ops.equal(ops.mod(place, stride), 0), x.dtype)
    shape = tuple(-1 if a == axis else 1 for a in range(len(x.shape)))
    spread = ops.multiply(ops.repeat(x, stride, axis=axis), ops.reshape(kept, shape))
    return spread[tuple(slice(None, 1 - stride) if a == axis else slice(None) for a in range(len(x.shape)))]


class _FullKernel:
    """[in, out/groups, *spatial] → [*spatial, out, in], block-diagonal over groups and with the dilation written
    out."""

    def __init__(self, groups: int, dilations: tuple[int, ...]) -> None:
        self.groups = groups
        self.dilations = dilations

    def __call__(self, kernel: np.ndarray) -> np.ndarray:
        inputs, per_group, *size = kernel.shape
        extent = [(k - 1) * d + 1 for k, d in zip(size, self.dilations, strict=True)]
        taps = tuple(slice(None, None, d) for d in self.dilations)
        full = np.zeros((*extent, per_group * self.groups, inputs), kernel.dtype)
        each = inputs // self.groups
        for g in range(self.groups):
            rows, columns = slice(g * per_group, (g + 1) * per_group), slice(g * each, (g + 1) * each)
            block = kernel[columns].transpose(*range(2, kernel.ndim), 1, 0)
            full[(*taps, rows, columns)] = block
        return full


def require_constant(*weights: Any) -> None:
    """Layers own their weights: a weight that the graph computes has no layer."""
    for weight in weights:
        if weight is not None and not isinstance(weight, ConstantInput):
            raise Unsupported(
                "The weights of this operator are computed by the graph; only constant weights become a layer.",
                hint="Export the model in eval() mode, so that weights are constants.",
            )
