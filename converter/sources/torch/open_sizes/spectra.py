"""istft to an open length: windowed frames are added where they overlap, and divided by what the windows add up to.

    y[t] = Σ w[t - k·hop] · frame[k, t - k·hop]  ÷  Σ w[t - k·hop]²                                over the frames k

Both sums are transposed convolutions with a unit matrix, or the window, for weights.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional


def istft(
    x: torch.Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: torch.Tensor | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: Any = None,
    return_complex: bool = False,
) -> Any:
    """The signals [batch, length] of spectra [batch, frequencies, frames]; one without a batch is one row."""
    is_open = any(isinstance(size, torch.SymInt) for size in (*x.shape[-1:], length))
    if not is_open or return_complex or onesided is False or not isinstance(n_fft, int) or x.dim() not in (2, 3):
        return NotImplemented
    hop, wide = hop_length or n_fft // 4, win_length or n_fft
    shape = (n_fft - wide) // 2, n_fft - wide - (n_fft - wide) // 2
    real = x.real.dtype
    window = torch.ones(wide, dtype=real) if window is None else window
    window = functional.pad(window.to(real), shape)
    rows = x if x.dim() == 3 else x[None]
    frames = torch.fft.irfft(rows.transpose(1, 2), n=n_fft, norm="ortho" if normalized else None)
    frames = (frames * window).transpose(1, 2)
    y = functional.conv_transpose1d(frames, torch.eye(n_fft, dtype=real)[:, None], stride=hop)[:, 0]
    ones = torch.ones_like(frames[:1, :1])
    total = functional.conv_transpose1d(ones, window.square()[None, None], stride=hop)[0, 0]
    first = n_fft // 2 if center else 0
    whole = n_fft + hop * (x.shape[-1] - 1)
    y, total = y[:, first:], total[first:]
    if length is None:
        kept = whole - 2 * first
        y, total = y[:, :kept], total[:kept]
    else:
        there = torch.sym_min(length, whole - first)
        y, total = y[:, :there], total[:there]
    y = y / total
    if length is not None:
        y = functional.pad(y, (0, length - there))
    return y if x.dim() == 3 else y[0]
