"""Spectra: as many bins as the transform is long, or half of them and one."""

from __future__ import annotations

import onnx_ir as ir

from passes.dims.polynomial import Dim, floor_divide
from passes.shapes.rules.registry import Shapes, Site, rule


@rule("DFT")
def _dft(node: ir.Node, site: Site) -> Shapes:
    x = site.shape(0)
    axis = site.axes(2, len(x))[0] if site.has(2) else len(x) - 2
    length = site.value(1)[0] if site.has(1) else x[axis]
    result = list(x)
    onesided, inverse = (bool(node.attributes.get_int(name, 0)) for name in ("onesided", "inverse"))
    if onesided and inverse:  # from half a spectrum to a real signal
        result[axis] = length if site.has(1) else 2 * (x[axis] - 1)
        return [(*result[:-1], 1)]
    result[axis] = _bins(length, one_sided=onesided)
    return [(*result[:-1], 2)]


@rule("STFT")
def _stft(node: ir.Node, site: Site) -> Shapes:
    x, step = site.shape(0), site.value(1)[0]
    length = site.value(3)[0] if site.has(3) else site.shape(2)[0]
    frames = floor_divide(x[1] - length, step) + 1
    return [(x[0], frames, _bins(length, one_sided=bool(node.attributes.get_int("onesided", 1))), 2)]


def _bins(length: Dim, *, one_sided: bool) -> Dim:
    return floor_divide(length, 2) + 1 if one_sided else length
