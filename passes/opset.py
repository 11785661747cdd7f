"""The one opset that every graph is brought to when it is loaded.

23 is the first with Attention, and it has LayerNormalization, GroupNormalization, Gelu and HardSwish as single
operators: what PyTorch's exporter knows as one operation arrives as one operation.
"""

OPSET = 23

IR_VERSION = 11
"""The version of the file format that goes with this opset. onnx writes newer ones before onnxruntime reads them."""
