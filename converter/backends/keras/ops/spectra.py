"""Spectra: DFT and STFT. A complex number is a pair along a last axis of 2 in ONNX, a tuple of tensors in Keras."""

from __future__ import annotations

from string import ascii_lowercase
from typing import Any

import numpy as np
from keras import ops

from converter.backends.keras.build.live_sizes import ones
from converter.backends.keras.build.registry import op
from converter.backends.keras.build.weights import ConstantInput
from converter.backends.keras.ops.axes import constant_ints, known_size
from passes.errors import Unsupported


@op("DFT")
def dft(x: Any, length: Any = None, axis: Any = None, *, inverse: int = 0, onesided: int = 0, name: str) -> Any:
    """Along one axis of signals [..., 1] or [..., 2]; with both `inverse` and `onesided` from half a spectrum to a real
    signal [..., 1]."""
    rank = len(x.shape)
    (place,) = [-2] if axis is None else constant_ints(axis)
    place %= rank
    size = None if length is None else int(np.ravel(constant_ints(length))[0])
    parts = [x[..., i] for i in range(x.shape[-1])]
    if x.shape[place] is None and size is None and not (onesided and inverse):
        return ops.stack(_of_open_length(parts, place, inverse=bool(inverse), onesided=bool(onesided)), -1)
    parts = [part if place == rank - 2 else ops.moveaxis(part, place, -1) for part in parts]
    if onesided and inverse:
        found = [_from_half(parts, size)]
    else:
        found = _transformed([_of_length(part, size) for part in parts], bool(inverse), bool(onesided))
    return ops.stack([part if place == rank - 2 else ops.moveaxis(part, -1, place) for part in found], -1)


def _transformed(parts: list[Any], inverse: bool, onesided: bool) -> list[Any]:
    """The inverse is the conjugate of the transform of the conjugate."""
    if onesided:
        return list(ops.rfft(parts[0]))
    both = parts[1] if len(parts) > 1 else ops.zeros_like(parts[0])
    real, imaginary = ops.fft((parts[0], ops.negative(both) if inverse else both))
    if not inverse:
        return [real, imaginary]
    count = float(real.shape[-1])
    return [ops.divide(real, count), ops.divide(ops.negative(imaginary), count)]


def _from_half(parts: list[Any], size: int | None) -> Any:
    """The real signal of `size` numbers whose spectrum begins so; without a size as many as are even."""
    bins = known_size(parts[0], -1)
    size = 2 * (bins - 1) if size is None else size
    if size // 2 + 1 != bins:
        raise Unsupported(f"An inverse DFT of {bins} bins, cut or padded to {size} numbers, is not converted.")
    both = [parts[0], parts[1] if len(parts) > 1 else ops.zeros_like(parts[0])]
    return ops.irfft(tuple(both), fft_length=size)


def _of_open_length(parts: list[Any], axis: int, *, inverse: bool, onesided: bool) -> list[Any]:
    """Products with cos and sin of 2π k n / N, k n modulo N: Keras' transforms need to know N."""
    each = ones(parts[0], axis)
    bins = ops.concatenate([each, each[(slice(None, 1),)]])[(slice(None, None, 2),)] if onesided else each
    place, k = (ops.expand_dims(ops.cumsum(counted) - 1, axis) for counted, axis in ((each, 1), (bins, 0)))
    count = ops.cast(ops.sum(each), "float32")
    turns = ops.cast(ops.mod(ops.multiply(place, k), ops.sum(each)), "float32")
    angle = ops.multiply(ops.divide(turns, count), -2 * np.pi if inverse else 2 * np.pi)
    cosine, sine = ops.cos(angle), ops.sin(angle)
    real, imaginary = _along(axis, parts[0], cosine), ops.negative(_along(axis, parts[0], sine))
    if len(parts) > 1:
        real = ops.add(real, _along(axis, parts[1], sine))
        imaginary = ops.add(imaginary, _along(axis, parts[1], cosine))
    return [ops.divide(part, count) for part in (real, imaginary)] if inverse else [real, imaginary]


def _along(axis: int, x: Any, table: Any) -> Any:
    """Σₙ x[…, n, …] table[n, k], with k in the place of n."""
    rank = len(x.shape)
    if axis == rank - 1:
        return ops.matmul(x, table)
    letters, new = ascii_lowercase[:rank], ascii_lowercase[rank]
    return ops.einsum(f"{letters},{letters[axis]}{new}->{letters.replace(letters[axis], new)}", x, table)


def _of_length(x: Any, size: int | None) -> Any:
    """Cut, or padded with zeros."""
    if x.shape[-1] is None and size is not None:
        raise Unsupported(
            "A signal of open length, cut or padded to another one before its DFT, is not converted.",
            hint="Fix the length with --input.",
        )
    if size is None or x.shape[-1] == size:
        return x
    if x.shape[-1] > size:
        return x[..., :size]
    return ops.pad(x, [(0, 0)] * (len(x.shape) - 1) + [(0, size - x.shape[-1])])


@op("STFT")
def stft(x: Any, step: Any, window: Any = None, length: Any = None, *, onesided: int = 1, name: str) -> Any:
    """[batch, signal(, 1)] → [batch, frames, bins, 2]; frames are not padded."""
    signal = x[..., 0] if len(x.shape) == 3 else x
    if len(x.shape) == 3 and x.shape[-1] == 2:
        raise Unsupported(
            "An STFT of a complex signal is not converted.", hint="Give its real and imaginary parts apart."
        )
    stride = int(np.ravel(constant_ints(step))[0])
    numbers = window.numpy() if isinstance(window, ConstantInput) else None
    if window is not None and numbers is None:
        raise Unsupported("An STFT with a window that the graph computes is not converted.")
    size = int(np.ravel(constant_ints(length))[0]) if length is not None else 0 if numbers is None else len(numbers)
    if not size or (numbers is not None and len(numbers) != size):
        raise Unsupported("An STFT needs a frame length, and a window of that length.")
    taps = np.ones(size, "float32") if numbers is None else numbers.astype("float32")
    real, imaginary = _framed(signal, taps, stride)
    if not onesided and size > 1:
        last = -1 if size % 2 == 0 else None
        real = ops.concatenate([real, ops.flip(real[..., 1:last], -1)], -1)
        imaginary = ops.concatenate([imaginary, ops.negative(ops.flip(imaginary[..., 1:last], -1))], -1)
    return ops.stack([real, imaginary], -1)


def _framed(signal: Any, taps: np.ndarray, stride: int) -> tuple[Any, Any]:
    """Frames of the signal, each windowed and transformed; `ops.stft` would choose another length by itself."""
    frames = ops.extract_sequences(signal, len(taps), stride)
    real, imaginary = ops.rfft(ops.multiply(frames, taps))
    return real, imaginary
