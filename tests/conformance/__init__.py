"""ONNX' own backend tests, as they are and with all operands but the first as constants."""
