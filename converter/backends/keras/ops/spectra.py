"""Spectra: DFT and STFT. A complex number is a pair along a last axis of 2 in ONNX, a tuple of tensors in Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from converter.backends.keras.build.registry import op
from converter.backends.keras.build.weights import Weight
from converter.backends.keras.ops.axes import constant_ints
from passes.errors import Unsupported


@op("DFT")
def dft(x: Any, length: Any = None, axis: Any = None, *, inverse: int = 0, onesided: int = 0, name: str) -> Any:
    """Along one axis of signals [..., 1] or [..., 2]; the inverse is the conjugate of that of the conjugate."""
    rank = len(x.shape)
    (place,) = [-2] if axis is None else constant_ints(axis)
    place %= rank
    size = None if length is None else int(np.ravel(constant_ints(length))[0])
    if onesided and inverse:
        raise Unsupported("An inverse DFT of half a spectrum is not converted.", hint="Give both halves.")
    parts = [ops.moveaxis(x[..., i], place, -1) if place != rank - 2 else x[..., i] for i in range(x.shape[-1])]
    parts = [_of_length(part, size) for part in parts]
    if onesided:
        real, imaginary = ops.rfft(parts[0])
    else:
        both = parts[1] if len(parts) > 1 else ops.zeros_like(parts[0])
        real, imaginary = ops.fft((parts[0], ops.negative(both) if inverse else both))
    if inverse:
        count = float(real.shape[-1])
        real, imaginary = ops.divide(real, count), ops.divide(ops.negative(imaginary), count)
    turned = [part if place == rank - 2 else ops.moveaxis(part, -1, place) for part in (real, imaginary)]
    return ops.stack(turned, -1)


def _of_length(x: Any, size: int | None) -> Any:
    """Cut, or padded with zeros."""
    if x.shape[-1] is None:
        raise Unsupported(
            "A DFT of a signal of open length is not converted: Keras' transforms need a fixed one.",
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
    numbers = window.numpy() if isinstance(window, Weight) else None
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
