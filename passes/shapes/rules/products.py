"""Matrix products."""

from __future__ import annotations

import onnx_ir as ir

from passes.shapes.rules.elementwise import broadcast
from passes.shapes.rules.registry import Shapes, Site, require_equal, rule


@rule("MatMul", "MatMulInteger")
def _matmul(node: ir.Node, site: Site) -> Shapes:
    a, b = site.shape(0), site.shape(1)
    left = a if len(a) > 1 else (1, *a)
    right = b if len(b) > 1 else (*b, 1)
    require_equal(left[-1], right[-2])
    site.equate(left[-1], right[-2])
    site.equate(right[-2], left[-1])
    batch = broadcast([left[:-2], right[:-2]]) if len(left) > 2 or len(right) > 2 else ()
    return [(*batch, *left[-2:-1][: len(a) > 1], *right[-1:][: len(b) > 1])]


@rule("Gemm")
def _gemm(node: ir.Node, site: Site) -> Shapes:
    a, b = site.shape(0), site.shape(1)
    turned_a, turned_b = (bool(node.attributes.get_int(name, 0)) for name in ("transA", "transB"))
    require_equal(a[not turned_a], b[turned_b])
    site.equate(a[not turned_a], b[turned_b])
    return [(a[turned_a], b[not turned_b])]
