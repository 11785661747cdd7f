"""PyTorch modules and exported programs: called with what they take, captured, and exported to an ONNX graph.

In comes a module or a `.pt2` file, out goes a `Source`. The module is as it was afterwards. Where modules come from by
their name is in `by_name`, weights for them in `checkpoints`.
"""
