"""What steadies training: normalisations, and Dropout, which does nothing in inference.

Epsilon is always passed: the defaults of ONNX, torch and Keras differ.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np
from keras import layers, ops

from converter.backends.keras.build.operands import operand
from converter.backends.keras.build.registry import op
from converter.backends.keras.build.sums import add
from converter.backends.keras.build.weights import ConstantInput, with_weights
from passes.errors import Unsupported


@op("nhwc::BatchNormalization")
def batch_normalization(
    x: Any,
    gamma: ConstantInput,
    beta: ConstantInput,
    mean: ConstantInput,
    variance: ConstantInput,
    *,
    epsilon: float,
    momentum: float = 0.9,
    training_mode: int = 0,
    name: str,
) -> Any:
    """Inference form. Keras and ONNX mean the same by momentum; torch means 1 − momentum."""
    if training_mode:
        raise Unsupported("BatchNormalization in training mode is not converted.", hint="Export in eval() mode.")
    if not _are_constant(gamma, beta, mean, variance):
        scale_, offset_, mean_, variance_ = (operand(weight, x, name=name) for weight in (gamma, beta, mean, variance))
        return ops.batch_normalization(x, mean_, variance_, -1, offset_, scale_, decimal(epsilon))
    scale, offset = _affine(gamma, 1), _affine(beta, 0)
    layer = layers.BatchNormalization(
        momentum=decimal(momentum),
        epsilon=decimal(epsilon),
        center=offset is not None,
        scale=scale is not None,
        name=name,
        dtype=x.dtype,
    )
    return with_weights(layer, x, gamma=scale, beta=offset, moving_mean=mean, moving_variance=variance)


@op("LayerNormalization")
def layer_normalization(
    x: Any,
    gamma: ConstantInput | None,
    beta: ConstantInput | None = None,
    *,
    axis: int,
    epsilon: float = 1e-5,
    stash_type: int = 1,
    name: str,
) -> Any:
    """Over the last axes, from `axis` on."""
    open_sizes = None in x.shape[axis % len(x.shape) :]  # for which no layer can be built
    if not _are_constant(gamma, beta) or (open_sizes and not (gamma is None and beta is None)):
        y = layer_normalization(x, None, None, axis=axis, epsilon=epsilon, name=name)
        return _scaled(y, gamma, beta, name)
    axes = list(range(axis % len(x.shape), len(x.shape)))
    sizes = tuple(x.shape[a] for a in axes)
    scale, beta = _affine(gamma, 1), _affine(beta, 0)
    layer = layers.LayerNormalization(
        axis=axes if len(axes) > 1 else -1,
        epsilon=decimal(epsilon),
        center=beta is not None,
        scale=scale is not None,
        name=name,
        dtype=x.dtype,
    )
    fit = _Broadcast(sizes)
    return with_weights(layer, x, gamma=_fitted(scale, sizes, fit), beta=_fitted(beta, sizes, fit))


def _are_constant(*weights: Any) -> bool:
    """A layer owns its weights: what the graph computes is multiplied and added behind it."""
    return all(weight is None or isinstance(weight, ConstantInput) for weight in weights)


def _scaled(y: Any, gamma: Any, beta: Any, name: str) -> Any:
    """y · γ + β over the last axes."""
    y = y if gamma is None else ops.multiply(y, operand(gamma, y, name=name))
    return y if beta is None else add(y, operand(beta, y, name=name))


def _affine(weight: ConstantInput | None, nothing: float) -> ConstantInput | None:
    """A scale or a bias that the source has; ONNX writes ones and zeros where it has none."""
    if weight is None or weight.is_of_source or (weight.numpy() != nothing).any():
        return weight
    return None


class _Broadcast:
    """ONNX lets scale and bias broadcast; Keras has them at full size."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def __call__(self, array: np.ndarray) -> np.ndarray:
        return np.broadcast_to(array, self.shape)


def _fitted(weight: ConstantInput | None, shape: tuple[int, ...], fit: _Broadcast) -> Any:
    return weight if weight is None or weight.shape == shape else (weight, fit)


@op("RMSNormalization")
def rms_normalization(
    x: Any, gamma: ConstantInput, *, axis: int, epsilon: float = 1e-5, stash_type: int = 1, name: str
) -> Any:
    """x / √(mean(x²) + ε) · γ over the last axes, from `axis` on; Keras has a layer for one axis."""
    axes = tuple(range(axis % len(x.shape), len(x.shape)))
    if len(axes) > 1 or not _are_constant(gamma) or x.shape[-1] is None:
        scaled = ops.rsqrt(ops.add(ops.mean(ops.square(x), axis=axes, keepdims=True), decimal(epsilon)))
        return ops.multiply(ops.multiply(x, scaled), operand(gamma, x, name=name))
    layer = layers.RMSNormalization(axis=-1, epsilon=decimal(epsilon), name=name, dtype=x.dtype)
    sizes = (x.shape[-1],)
    return with_weights(layer, x, scale=_fitted(gamma, sizes, _Broadcast(sizes)))


@op("nhwc::GroupNormalization")
def group_normalization(
    x: Any,
    gamma: ConstantInput,
    beta: ConstantInput,
    *,
    num_groups: int,
    epsilon: float = 1e-5,
    stash_type: int = 1,
    name: str,
) -> Any:
    """Scale and bias per channel, as from opset 21 on."""
    return _group_norm(x, num_groups, gamma, beta, epsilon, name)


@op("nhwc::InstanceNormalization")
def instance_normalization(
    x: Any, gamma: ConstantInput, beta: ConstantInput, *, epsilon: float = 1e-5, name: str
) -> Any:
    """Every channel is a group of its own."""
    return _group_norm(x, x.shape[-1], gamma, beta, epsilon, name)


def _group_norm(x: Any, groups: int, gamma: Any, beta: Any, epsilon: float, name: str) -> Any:
    if not _are_constant(gamma, beta):
        return _scaled(_group_norm(x, groups, None, None, epsilon, name), gamma, beta, name)
    scale, center = _affine(gamma, 1), _affine(beta, 0)
    layer = layers.GroupNormalization(
        groups,
        axis=-1,
        epsilon=decimal(epsilon),
        center=center is not None,
        scale=scale is not None,
        name=name,
        dtype=x.dtype,
    )
    return with_weights(layer, x, gamma=scale, beta=center)


@op("nhwc::LRN")
def local_response_normalization(
    x: Any, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0, name: str
) -> Any:
    """x / (bias + α/size · Σ x²)^β, the sum over `size` channels around each: ⌊(size−1)/2⌋ before, the rest after."""
    before, after = (size - 1) // 2, size - 1 - (size - 1) // 2
    rank = len(x.shape)
    squares = ops.pad(ops.square(x), [(0, 0)] * (rank - 1) + [(before, after)])
    channels = x.shape[-1]
    total = squares[..., 0:channels]
    for offset in range(1, size):
        total = ops.add(total, squares[..., offset : offset + channels])
    return ops.divide(x, ops.power(ops.add(ops.multiply(total, alpha / size), bias), beta))


@op("LpNormalization")
def lp_normalization(x: Any, *, axis: int = -1, p: int = 2, name: str) -> Any:
    """x / ‖x‖ₚ along one axis; 0 where the norm is 0."""
    if p == 1:  # JAX cannot hash the axis that Keras (3.15) gives it for this one
        norm = ops.sum(ops.abs(x), axis=axis, keepdims=True)
    else:
        norm = ops.norm(x, ord=p, axis=axis, keepdims=True)
    return ops.divide_no_nan(x, norm)


def decimal(value: float) -> float:
    """ONNX stores float32: 1e-5 arrives as 9.999999747378752e-06. Say the short number that means the same float32."""
    return float(str(np.float32(value)))


MOST_SEED = 0x7FFF_FFFF
"""On torch Keras (3.15) keeps the state of a seed as int32."""

SPATIAL = {3: layers.SpatialDropout1D, 4: layers.SpatialDropout2D, 5: layers.SpatialDropout3D}


@op("keraport::Dropout")
def dropout(x: Any, *, rate: float, noise: tuple[int, ...] | None = None, name: str) -> Any:
    """Numbers with the probability `rate`, the others over (1 - rate); along axes that are not in `noise` all alike.

    The seed goes by the name, so that a conversion gives the same file each time.
    """
    seed, rank = crc32(name.encode()) & MOST_SEED, len(x.shape)
    if noise is not None and tuple(noise) == (0, rank - 1) and rank in SPATIAL:
        return SPATIAL[rank](round(rate, 7), seed=seed, name=name, dtype=x.dtype)(x)
    shape = None if noise is None else [x.shape[axis] if axis in noise else 1 for axis in range(rank)]
    return layers.Dropout(round(rate, 7), noise_shape=shape, seed=seed, name=name, dtype=x.dtype)(x)
