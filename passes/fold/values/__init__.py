"""What operators compute, in numpy: for constants, and for shape arithmetic on dimensions that are symbols.

The functions here are those that shape arithmetic and exporters' constant sub-graphs use thousands of times; they work
alike on numbers and on `object` arrays of `symbolic_dims.Dim`. What else is constant goes through onnx's reference
implementation (fold/constants.py).
"""

from passes.dims.quotient import NotKnown
from passes.fold.values import arithmetic, logic, rearranging
from passes.fold.values.registry import EVALUATORS, evaluate

FAMILIES = (arithmetic, logic, rearranging)

__all__ = ["EVALUATORS", "FAMILIES", "NotKnown", "evaluate"]
