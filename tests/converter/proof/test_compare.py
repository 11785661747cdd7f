"""The one comparison: what passes and, above all, what does not."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from converter.proof.compare import EXACT, FLOAT16, FLOAT32, Tolerance, compare, compare_all, rmse, tolerance_for


def f32(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_equal_arrays_have_no_difference() -> None:
    found = compare(f32(1, 2), f32(1, 2), name="y")
    assert (found.passed, found.max_abs, found.max_rel, found.name) == (True, 0.0, 0.0, "y")


def test_the_tolerance_scales_with_the_greatest_magnitude_of_the_reference() -> None:
    reference = f32(0, 1000)
    assert compare(reference, reference + f32(0.09, 0)).passed
    assert not compare(reference, reference + f32(0.11, 0)).passed
    assert compare(reference, reference + f32(0.09, 0)).allowed == pytest.approx(0.10001)


def test_the_reference_counts_not_the_result() -> None:
    assert not compare(f32(0, 0), f32(0, 1000)).passed


@pytest.mark.parametrize(
    ("reference", "result", "reason"),
    [
        (np.zeros((2, 3), np.float32), np.zeros((3, 2), np.float32), "shape is (3, 2), expected (2, 3)"),
        (np.zeros(1, np.float32), np.zeros(1, np.float64), "dtype is float64, expected float32"),
        (np.zeros(1, np.int64), np.zeros(1, np.int32), "dtype is int32, expected int64"),
        (f32(1, np.nan), f32(1, 1), "NaN at 1 positions in one of the two only"),
        (f32(1, 1), f32(np.nan, np.nan), "NaN at 2 positions in one of the two only"),
        (f32(np.inf), f32(-np.inf), "infinities differ at 1 positions"),
        (f32(1), f32(np.inf), "infinities differ at 1 positions"),
        (np.array([True]), np.array([False]), "max|difference| is 1, allowed 0"),
        (np.array([2**53]), np.array([2**53 + 1]), "max|difference| is 1, allowed 0"),
        (np.array([255], np.uint8), np.array([0], np.uint8), "max|difference| is 255, allowed 0"),
        (np.array(["a", "b"]), np.array(["a", "c"]), "1 of 2 differ"),
    ],
)
def test_what_is_not_equal_and_why(reference: np.ndarray, result: np.ndarray, reason: str) -> None:
    found = compare(reference, result)
    assert (found.passed, found.reason) == (False, reason)


def test_nan_and_infinity_at_the_same_places_are_equal() -> None:
    assert compare(f32(np.nan, np.inf, -np.inf, 1), f32(np.nan, np.inf, -np.inf, 1)).passed


def test_an_empty_output_is_equal_to_an_empty_one_of_its_shape() -> None:
    assert compare(np.zeros((0, 4), np.float32), np.zeros((0, 4), np.float32)).passed
    assert not compare(np.zeros((0, 4), np.float32), np.zeros((0, 5), np.float32)).passed


def test_half_precision_does_not_overflow_in_the_comparison() -> None:
    found = compare(np.array([60000], np.float16), np.array([-60000], np.float16))
    assert found.max_abs == 120000


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(np.float32, FLOAT32), (np.float16, FLOAT16), (np.int64, EXACT), (np.bool_, EXACT), (np.uint8, EXACT)],
)
def test_tolerances_go_by_dtype(dtype: type, tolerance: Tolerance) -> None:
    assert tolerance_for(np.dtype(dtype)) == tolerance


def test_bfloat16_has_a_tolerance_of_its_own_precision() -> None:
    step = np.array([1.0, 1.0 + 2**-7], ml_dtypes.bfloat16)
    assert compare(step[:1], step[1:]).passed
    assert not compare(step[:1], np.array([1.125], ml_dtypes.bfloat16)).passed


def test_an_output_too_few_is_no_agreement() -> None:
    one = np.ones(2, np.float32)
    found, reason = compare_all(["a", "b"], [one, one], [one])
    assert not found and reason == "1 outputs, expected 2"
    found, reason = compare_all(["a"], [one], [one])
    assert [comparison.passed for comparison in found] == [True] and not reason


def test_json_has_null_where_nothing_could_be_measured() -> None:
    values = compare(f32(1), f32(1, 2)).to_dict()
    assert values["max_abs"] is None
    assert values["tolerance"] == {"rtol": 1e-4, "atol": 1e-5, "allowed": 1e-5}


def test_rmse() -> None:
    assert rmse(f32(0, 0, np.inf), f32(3, 4, np.inf)) == pytest.approx(np.sqrt(12.5))
