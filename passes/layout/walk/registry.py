"""Which rule moves which operator onto bases. An operator without a rule works on plain values."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from passes.layout.walk.walk import Walk
from passes.registry import Registry

LayoutRule = Callable[[Walk, ir.Node], None]
RULES: Registry[str, LayoutRule] = Registry("layout rules")
rule = RULES.register
