"""ONNX → ONNX: each stage hands on a graph that is more normal than the one it got.

`order.py` is the whole order. The backend then finds one opset, explicit pads, channels-last operators and composites
in one piece, and is nearly one-to-one. Nothing here knows of Keras or torch.

Rooms, bottom to top, imports running one way: errors, opset < dims < graph < padding < lower < fold < shapes <
simplify, normalize, fuse, layout < order.
"""
