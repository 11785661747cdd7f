"""Function bodies of operators that are compositions of others, as text in ONNX's own form: a file for each family.

In comes a node, out goes the text, or None where this node is no composition. Which operator has which body is a row of
known_functions.py. Trees, whose tables are too long for text, are made as functions.
"""
