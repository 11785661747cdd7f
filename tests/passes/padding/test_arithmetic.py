"""The formulas of passes/padding/arithmetic.py against the definitions, for all small kernels, strides and sizes."""

from __future__ import annotations

from itertools import product

import pytest

from passes.padding.arithmetic import (
    Axis,
    begins,
    ceil_mode_pads,
    is_same_symmetric,
    is_same_upper,
    same_pads,
    same_pads_of_any_size,
    taps_inside,
    trimmed,
    windows,
)

AXES = [Axis(None, k, s, d) for k, s, d in product(range(1, 6), range(1, 5), range(1, 4))]
SIZES = range(1, 30)


def starts(axis: Axis, size: int, pads: tuple[int, int]) -> list[int]:
    """Where windows start, by sliding one along the padded axis as far as it fits."""
    found, position = [], -pads[0]
    while position + axis.extent <= size + pads[1]:
        found.append(position)
        position += axis.stride
    return found


def same_by_the_standard(axis: Axis, size: int, lower: bool) -> tuple[int, int]:
    """onnx's text: ceil(n / s) windows, the odd element at the end for SAME_UPPER, in front for SAME_LOWER."""
    out = -(-size // axis.stride)
    total = max(0, (out - 1) * axis.stride + (axis.kernel - 1) * axis.dilation + 1 - size)
    small, large = total // 2, total - total // 2
    return (large, small) if lower else (small, large)


def sized(axis: Axis, size: int) -> Axis:
    return Axis(size, axis.kernel, axis.stride, axis.dilation)


@pytest.mark.parametrize("lower", [False, True])
def test_same_pads_are_those_of_the_standard(lower: bool) -> None:
    for axis, size in product(AXES, SIZES):
        pads = same_pads(axis, size, lower)
        assert pads == same_by_the_standard(axis, size, lower)
        assert windows(axis, size, pads) == len(starts(axis, size, pads)) == -(-size // axis.stride)
        assert pads[0] == begins(axis, lower)[-size % axis.stride]


def test_any_begin_in_a_total_of_extent_minus_one_has_as_many_windows_as_same() -> None:
    for axis, size, lower in product(AXES, SIZES, (False, True)):
        begin = begins(axis, lower)[-size % axis.stride]
        assert windows(axis, size, (begin, axis.extent - 1 - begin)) == -(-size // axis.stride)


def test_same_of_any_size_is_found_exactly_where_one_pad_serves_every_size() -> None:
    for axis, lower in product(AXES, (False, True)):
        reference = [starts(axis, n, same_by_the_standard(axis, n, lower)) for n in SIZES]
        serving = [
            (b, e)
            for b, e in product(range(axis.extent + axis.stride), repeat=2)
            if all(starts(axis, n, (b, e)) == wanted for n, wanted in zip(SIZES, reference, strict=True))
        ]
        found = same_pads_of_any_size(axis, lower)
        assert serving == ([] if found is None else [found])


def test_a_pad_is_same_upper_exactly_where_the_windows_are_equal() -> None:
    for axis in AXES:
        for pads in product(range(-1, axis.extent + 1), repeat=2):
            equal = [starts(axis, n, pads) == starts(axis, n, same_by_the_standard(axis, n, False)) for n in SIZES]
            assert is_same_upper(axis, pads) == all(equal)
            for size, wanted in zip(SIZES, equal, strict=True):
                assert is_same_upper(sized(axis, size), pads) == wanted


def test_equal_sizes_are_not_enough_for_same() -> None:
    assert windows(Axis(1, 2, 2), 1, (1, 0)) == windows(Axis(1, 2, 2), 1, (0, 1)) == 1
    assert not is_same_upper(Axis(1, 2, 2), (1, 0))


def test_torch_padding_one_with_stride_two_is_same_only_for_odd_sizes() -> None:
    assert [size for size in range(5, 13) if is_same_upper(Axis(size, 3, 2), (1, 1))] == [5, 7, 9, 11]
    assert not is_same_upper(Axis(None, 3, 2), (1, 1))


def test_same_is_symmetric_exactly_where_both_pads_are_equal() -> None:
    for axis in AXES:
        equal = [begin == end for begin, end in (same_by_the_standard(axis, size, False) for size in SIZES)]
        assert is_same_symmetric(axis) == all(equal)
        assert [is_same_symmetric(sized(axis, size)) for size in SIZES] == equal


def test_ceil_mode_is_floor_mode_with_another_end() -> None:
    for axis, size in product(AXES, SIZES):
        for begin, end in product(range(axis.extent), repeat=2):
            count = -(-(size + begin + end - axis.extent) // axis.stride) + 1
            if (count - 1) * axis.stride >= size + begin:
                count -= 1
            assert windows(axis, size, ceil_mode_pads(axis, (begin, end))) == count


def test_trimming_keeps_the_windows_and_no_unread_tail() -> None:
    for axis, size in product(AXES, SIZES):
        for pads in product(range(-1, axis.extent + 2), repeat=2):
            before, after = starts(axis, size, pads), trimmed(sized(axis, size), pads)
            assert starts(axis, size, after) == before
            if before and after[1] > 0:
                assert before[-1] + axis.extent == size + after[1]


def test_taps_inside_counts_each_tap() -> None:
    axis = Axis(5, kernel=3, stride=2)
    assert taps_inside(axis, (1, 1), (0, 0)) == [2, 3, 2]
    assert taps_inside(axis, (1, 1), (1, 1)) == [3, 3, 3]
    assert taps_inside(Axis(4, kernel=3, stride=2), (1, 2), (1, 1)) == [3, 3, 2]
    assert taps_inside(Axis(4, kernel=2, stride=1, dilation=3), (3, 3), (0, 0)) == [1, 1, 1, 2, 1, 1, 1]
    with pytest.raises(ValueError, match="size of the axis is known"):
        taps_inside(Axis(None, 3), (1, 1), (0, 0))
