"""Pads of convolutions and pools: explicit, `same`, or a Pad of its own, and the arithmetic that proves it.

In come operators with ONNX's pads and auto_pad, out go those that Keras' "valid" and "same" compute exactly, with a Pad
or a crop beside them where nothing else does. The formulas are in `arithmetic`; nothing of Keras is imported.
"""
