"""The arithmetic of padding, one spatial axis at a time: numbers only, no graph.

A window operator with `kernel` taps `dilation` apart covers ke = (kernel-1)·dilation + 1 elements and moves by
`stride`. On an axis of n elements, padded by b before and e after, window i starts at i·s - b, and there are

    windows(n, b, e) = ⌊(n + b + e - ke)/s⌋ + 1

A negative pad crops.

**SAME** wants q = ⌈n/s⌉ windows. Write n = q·s - r, so r = -n mod s, 0 ≤ r < s. The pads add up to

    t = max(0, (q-1)·s + ke - n) = max(0, ke - s + r)

so t depends on n only through r. SAME_UPPER begins with b = ⌊t/2⌋, SAME_LOWER with b = ⌈t/2⌉; e = t - b.

**What decides a padding is b and the number of windows.** The tail behind the last window is read by nobody. The total
pad that gives q windows for *every* n is ke-1, and no other one: windows(n, b, T-b) = ⌊(q·s - r + T - ke)/s⌋ + 1 = q
iff 0 ≤ T - ke + s - r < s, for all r from 0 to s-1 at once only if T = ke-1. Hence:

- SAME is an ordinary pad (b, ke-1-b) wherever b is the same for every r: always with s = 1 or ke = 1, but also
  SAME_LOWER with kernel 3 and stride 2 (t is 1 or 2, so b = 1), or SAME_UPPER with kernel 2 and stride 2 (b = 0).
- An explicit pad (b, e) is SAME_UPPER for every n iff e = ke-1-b and b = ⌊max(0, ke-s+r)/2⌋ for every r.
- Otherwise SAME at run time pads ke-1 in total and only has to choose where to begin: `begins` lists b by r.

**Ceil mode** counts ⌈(n + b + e - ke)/s⌉ + 1 windows and ignores those that start behind the padded input, at n + b or
later. ⌈a/s⌉ = ⌊(a + s-1)/s⌋ makes the first number windows(n, b, e+s-1). Windows that start before n + b number
⌈(n+b)/s⌉ = ⌊(n + b - 1)/s⌋ + 1 = windows(n, b, ke-1). The smaller of two such numbers belongs to the smaller pad:
ceil mode is floor mode with the end pad min(e + s-1, ke-1), whatever n is.
"""

from __future__ import annotations

from dataclasses import dataclass

Pads = tuple[int, int]
"""(before, after) on one axis."""


@dataclass(frozen=True)
class Axis:
    """One spatial axis of a window operator. `size` is None where only the run knows it."""

    size: int | None
    kernel: int
    stride: int = 1
    dilation: int = 1

    @property
    def extent(self) -> int:
        """ke: how many elements one window spans."""
        return (self.kernel - 1) * self.dilation + 1


def windows(axis: Axis, size: int, pads: Pads) -> int:
    """How many windows fit into `size` elements and their pads."""
    return (size + pads[0] + pads[1] - axis.extent) // axis.stride + 1


def same_pads(axis: Axis, size: int, lower: bool) -> Pads:
    """SAME_UPPER or, if `lower`, SAME_LOWER for an axis of `size` elements."""
    total = max(0, axis.extent - axis.stride + -size % axis.stride)
    begin = (total + lower) // 2
    return begin, total - begin


def begins(axis: Axis, lower: bool) -> tuple[int, ...]:
    """Where SAME begins, for each r = -n mod s."""
    return tuple((max(0, axis.extent - axis.stride + r) + lower) // 2 for r in range(axis.stride))


def same_pads_of_any_size(axis: Axis, lower: bool) -> Pads | None:
    """The one pad that is SAME for every size, or None where it has to be computed at run time."""
    candidates = set(begins(axis, lower))
    if len(candidates) > 1:
        return None
    begin = candidates.pop()
    return begin, axis.extent - 1 - begin


def auto_pads(axis: Axis, lower: bool) -> Pads | None:
    """SAME pads where they are known before the run, else None."""
    return same_pads_of_any_size(axis, lower) if axis.size is None else same_pads(axis, axis.size, lower)


def is_same_upper(axis: Axis, pads: Pads) -> bool:
    """Is this pad SAME_UPPER: at this size, or at every size where the size is unknown?"""
    if axis.size is None:
        return pads == same_pads_of_any_size(axis, lower=False)
    return pads[0] == same_pads(axis, axis.size, lower=False)[0] and (
        windows(axis, axis.size, pads) == -(-axis.size // axis.stride)
    )


def is_same_symmetric(axis: Axis) -> bool:
    """Does SAME pad as much before as after, at this size, or at every size where the size is unknown?"""
    sizes = range(1, axis.stride + 1) if axis.size is None else [axis.size]
    return all(begin == end for begin, end in (same_pads(axis, size, lower=False) for size in sizes))


def ceil_mode_pads(axis: Axis, pads: Pads) -> Pads:
    """The pads with which floor mode has the windows that ceil mode has with `pads`."""
    return pads[0], min(pads[1] + axis.stride - 1, axis.extent - 1)


def trimmed(axis: Axis, pads: Pads) -> Pads:
    """The same windows with no more pad at the end than the last window reads."""
    if axis.size is None:
        return pads
    count = windows(axis, axis.size, pads)
    needed = max(0, (count - 1) * axis.stride + axis.extent - axis.size - pads[0])
    return (pads[0], needed) if windows(axis, axis.size, (pads[0], needed)) == count else pads


def taps_inside(axis: Axis, pads: Pads, counted: Pads) -> list[int]:
    """How many taps of each window lie in [-counted[0], n + counted[1]): what an average is divided by."""
    if axis.size is None:
        raise ValueError("The taps of a window can be counted only where the size of the axis is known.")
    first, stop = -counted[0], axis.size + counted[1]
    starts = (i * axis.stride - pads[0] for i in range(windows(axis, axis.size, pads)))
    return [sum(first <= start + j * axis.dilation < stop for j in range(axis.kernel)) for start in starts]
