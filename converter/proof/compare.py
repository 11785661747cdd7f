"""The one comparison of two arrays, used by `verify` and by every test."""

from __future__ import annotations

from collections.abc import Sequence
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

    def to_dict(self) -> dict[str, Any]:
        values = asdict(self)
        for key in ("max_abs", "max_rel"):
            if not np.isfinite(values[key]):
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
    difference = np.abs(b - a)
    max_abs = float(difference.max(initial=0.0))
    magnitude = float(np.abs(a).max(initial=0.0))
    allowed = tolerance.atol + tolerance.rtol * magnitude
    max_rel = max_abs / magnitude if magnitude else (0.0 if max_abs == 0.0 else float("inf"))
    passed = max_abs <= allowed
    reason = "" if passed else f"max|difference| is {max_abs:.3g}, allowed {allowed:.3g}"
    return replace(found, passed=passed, reason=reason, max_abs=max_abs, max_rel=max_rel, allowed=allowed)


def compare_all(
    names: Sequence[str],
    reference: Sequence[Array],
    result: Sequence[Array],
    tolerance: Tolerance | None = None,
) -> tuple[list[Comparison], str]:
    """Every output against its reference; none, and the reason, where there are more or fewer.

    `tolerance` is for floating-point outputs, instead of the one of their dtype; all others stay exact.
    """
    if len(reference) != len(result):
        return [], f"{len(result)} outputs, expected {len(reference)}"
    return [
        compare(a, b, None if tolerance_for(a.dtype) == EXACT else tolerance, name=name)
        for name, a, b in zip(names, reference, result, strict=True)
    ], ""


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
