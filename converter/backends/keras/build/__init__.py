"""What operator functions build with: layers with the numbers of their weights, operands, sizes, names.

In come constants of the graph and live tensors, out come Keras layers and tensors, with a record of where each weight
went. No operator of ONNX is here (that is `ops`), and nothing of modules (that is `nesting`).
"""
