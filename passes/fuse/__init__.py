"""Several operators that are one layer become one operator: LayerNormalization, Gelu, Attention, Dense.

In come graphs of one opset with shapes inferred, in the source's axes; out goes the same with the composite in one
piece, or a reason why it did not match. What rewrites a single operator is in `normalize` or `simplify`.
"""
