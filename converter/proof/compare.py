"""The one comparison of two arrays, used by `verify` and by every test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Tolerance:
    """max|result - reference| may be `atol + rtol * max|reference|`. Zero in both means equal bit by bit."""

    rtol: float
    atol: float


EXACT = Tolerance(0.0, 0.0)
FLOAT32 = Tolerance(1e-4, 1e-5)
FLOAT16 = Tolerance(1e-2, 1e-3)
BFLOAT16 = Tolerance(4e-2, 4e-3)
"""Three bits of mantissa fewer than float16 has, of which two are asked back."""

_BY_DTYPE = {"float64": FLOAT32, "float32": FLOAT32, "float16": FLOAT16, "bfloat16": BFLOAT16}


def tolerance_for(dtype: np.dtype[Any]) -> Tolerance:
    """The tolerance of an output of this dtype: integers, booleans and all else exact."""
    return _BY_DTYPE.get(np.dtype(dtype).name, EXACT)


@dataclass(frozen=True)
class Comparison:
    """How a result differs from its reference.

    Attributes:
        name: the output's name.
        passed: shape, dtype, positions of NaN and of the infinities agree, and max_abs is within `allowed`.
        reason: why it did not pass, or "".
        shape, dtype: the result's.
        max_abs: the greatest difference where both are finite.
        max_rel: max_abs over the greatest magnitude in the reference, the ratio that `rtol` bounds.
        rtol, atol, allowed: the tolerance, and what it comes to for this reference.
        by: what the verdict rests on: "tolerance", the output's own "spread" where that is small, the oracle's
            "uncertainty", steps of "quantisation", or the "signal" that fewer bits have kept in all cases together.
        uncertainty: how far the oracle's own answers are apart; None where nobody had to ask.
        ill_conditioned: rounding alone does as much: this case says nothing about the output.
        spread: greatest minus smallest number of the reference, None for what is no float.
    """

    name: str
    passed: bool
    reason: str
    shape: tuple[int, ...]
    dtype: str
    max_abs: float
    max_rel: float
    rtol: float
    atol: float
    allowed: float
    by: str = "tolerance"
    uncertainty: float | None = None
    ill_conditioned: bool = False
    spread: float | None = None

    def to_dict(self) -> dict[str, Any]:
        values = asdict(self)
        for key in ("max_abs", "max_rel", "uncertainty", "spread"):
            if values[key] is not None and not np.isfinite(values[key]):
                values[key] = None
        values["shape"] = list(self.shape)
        values["tolerance"] = {key: values.pop(key) for key in ("rtol", "atol", "allowed")}
        return values


def compare(reference: Array, result: Array, tolerance: Tolerance | None = None, *, name: str = "") -> Comparison:
    """Compare a result with its reference.

    Args:
        reference: what the oracle says.
        result: what is to be judged.
        tolerance: None takes the one that goes with the reference's dtype.
        name: of the output, for the message.
    """
    reference, result = np.asarray(reference), np.asarray(result)
    tolerance = tolerance_for(reference.dtype) if tolerance is None else tolerance
    found = Comparison(
        name=name,
        passed=False,
        reason="",
        shape=result.shape,
        dtype=result.dtype.name,
        max_abs=float("nan"),
        max_rel=float("nan"),
        rtol=tolerance.rtol,
        atol=tolerance.atol,
        allowed=tolerance.atol,
    )
    if reference.shape != result.shape:
        return replace(found, reason=f"shape is {result.shape}, expected {reference.shape}")
    if reference.dtype != result.dtype:
        return replace(found, reason=f"dtype is {result.dtype.name}, expected {reference.dtype.name}")
    if reference.dtype.kind in "OUS":
        differ = int(np.sum(reference.astype(str) != result.astype(str)))
        return replace(found, passed=differ == 0, reason=f"{differ} of {reference.size} differ" if differ else "")
    a, b = _widest(reference), _widest(result)
    nan_a, nan_b = np.isnan(a), np.isnan(b)
    if not np.array_equal(nan_a, nan_b):
        return replace(found, reason=f"NaN at {int(np.sum(nan_a != nan_b))} positions in one of the two only")
    infinite = np.isinf(a) | np.isinf(b)
    if not np.array_equal(a[infinite], b[infinite]):
        return replace(found, reason=f"infinities differ at {int(np.sum(a[infinite] != b[infinite]))} positions")
    finite = ~(nan_a | infinite)
    a, b = a[finite], b[finite]
    max_abs, magnitude = largest(np.abs(b - a)), largest(np.abs(a))
    allowed = tolerance.atol + tolerance.rtol * magnitude
    max_rel = max_abs / magnitude if magnitude else (0.0 if max_abs == 0.0 else float("inf"))
    passed = max_abs <= allowed
    reason = "" if passed else f"max|difference| is {max_abs:.3g}, allowed {allowed:.3g}"
    moves = float(a.max() - a.min()) if tolerance != EXACT and a.size and a.dtype.kind == "f" else None
    return replace(found, passed=passed, reason=reason, max_abs=max_abs, max_rel=max_rel, allowed=allowed, spread=moves)


def compare_all(
    names: Sequence[str],
    reference: Sequence[Array],
    result: Sequence[Array],
    tolerance: Tolerance | None = None,
    tolerances: Mapping[str, Tolerance] | None = None,
) -> tuple[list[Comparison], str]:
    """Every output against its reference; none, and the reason, where there are more or fewer.

    `tolerance` is for floating-point outputs, instead of the one of their dtype, and `tolerances` for those that it
    names; all others stay exact.
    """
    if len(reference) != len(result):
        return [], f"{len(result)} outputs, expected {len(reference)}"
    told = tolerances or {}
    return [
        compare(a, b, None if tolerance_for(a.dtype) == EXACT else tolerance or told.get(name), name=name)
        for name, a, b in zip(names, reference, result, strict=True)
    ], ""


def largest(magnitudes: Array) -> float:
    """The greatest finite number, 0 where there is none."""
    finite = magnitudes[np.isfinite(magnitudes)]
    return float(finite.max(initial=0.0))


def by_spread(comparison: Comparison, share: float) -> Comparison:
    """The verdict where an output hardly moves: the tolerance then goes by its spread, not by its magnitude.

    Args:
        share: where the spread is this many times the allowance or more, nothing changes.
    """
    if not comparison.passed or comparison.spread is None or comparison.spread > share * comparison.allowed:
        return comparison
    allowed = max(comparison.rtol * comparison.spread, float(np.finfo(np.float32).tiny))
    if comparison.max_abs <= allowed:
        return replace(comparison, by="spread", allowed=allowed)
    reason = (
        f"max|difference| is {comparison.max_abs:.3g} in an output that moves by {comparison.spread:.3g} only, "
        f"allowed {allowed:.3g}"
    )
    return replace(comparison, passed=False, by="spread", allowed=allowed, reason=reason)


def _widest(array: Array) -> Array:
    """The same numbers in a type in which differences do not overflow: integers above 2**53 stay exact too."""
    if array.dtype.kind == "c":
        return array.astype(np.complex128)
    if array.dtype.name in ("int64", "uint64"):
        return array.astype(np.longdouble)
    return array.astype(np.float64)


def rmse(reference: Array, result: Array) -> float:
    """Root of the mean squared difference, where both are finite."""
    a, b = _widest(reference), _widest(result)
    finite = np.isfinite(a) & np.isfinite(b)
    return float(np.sqrt(np.mean(np.abs(a[finite] - b[finite]) ** 2))) if finite.any() else 0.0
