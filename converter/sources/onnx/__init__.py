"""ONNX files: read without their weights, checked, with external data that stays in its folder.

In comes a path, out goes a `Source` whose graph may be trusted to be what it says. What ONNX means is for `passes`.
"""
