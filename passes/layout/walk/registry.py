"""Which rule moves which operator onto bases. An operator without a rule works on plain values."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from passes.layout.walk.walk import Walk

Rule = Callable[[Walk, ir.Node], None]
RULES: dict[str, Rule] = {}


def rule(*operators: str) -> Callable[[Rule], Rule]:
    """Register a rule under operators written as `Conv` or `keraport::Dense`. A second one for the same is a
    mistake."""

    def register(function: Rule) -> Rule:
        for operator in operators:
            if operator in RULES:
                raise ValueError(f"Two layout rules for {operator}. Received: {function.__name__}")
            RULES[operator] = function
        return function

    return register
