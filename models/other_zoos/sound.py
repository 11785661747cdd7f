"""Demucs: what is played together, taken apart."""

from __future__ import annotations

from functools import partial

from models.other_zoos.small import build

demucs = partial(
    build, "demucs.demucs", "Demucs", sources=["voice", "rest"], channels=8, depth=3, lstm_layers=1, resample=False,
    normalize=False,
)  # fmt: skip
hybrid_demucs = partial(build, "demucs.hdemucs", "HDemucs", sources=["voice", "rest"], channels=8)
