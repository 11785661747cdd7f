"""The shape that an operator's outputs have, from the shapes of its inputs, in symbols where they are symbols.

A rule takes the node and a `Site` (what is known about its inputs) and returns one shape per output: a tuple of
dimensions, or None where this rule cannot tell. What has no rule here is left to onnx's own inference
(onnx_inference.py), which knows every operator but no arithmetic.
"""

from passes.shapes.rules import (
    elementwise,
    loops,
    products,
    rearranging,
    recurrent,
    reductions,
    slicing,
    spectra,
    windows,
)
from passes.shapes.rules.registry import DTYPES, RULES, NoRule, Shape, Shapes, Site

RULE_FILES = (elementwise, loops, products, rearranging, recurrent, reductions, slicing, spectra, windows)

__all__ = ["DTYPES", "RULES", "RULE_FILES", "NoRule", "Shape", "Shapes", "Site"]
