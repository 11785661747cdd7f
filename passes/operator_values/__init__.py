"""What operators compute, in numpy: for constants, and for shape arithmetic on dimensions that are symbols.

The functions here are those that shape arithmetic and exporters' constant sub-graphs use thousands of times; they work
alike on numbers and on `object` arrays of `symbolic_dims.Dim`. What else is constant goes through onnx's reference
implementation (fold_constants.py).
"""

from passes.operator_values import arithmetic, logic, rearranging
from passes.operator_values.registry import EVALUATORS, evaluate
from passes.symbolic_ratios import NotKnown

FAMILIES = (arithmetic, logic, rearranging)

__all__ = ["EVALUATORS", "FAMILIES", "NotKnown", "evaluate"]
