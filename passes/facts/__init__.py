"""What the tools around the passes can take, and where they are wrong, apart from the passes that go by it.

`keras` has the limits of Keras and of its backends, `onnxruntime` the graphs that onnxruntime refuses though they are
valid, or computes wrongly. Each fact says the version that it was seen with. What ONNX itself says is no fact of a tool
and stays with the pass that needs it; another backend brings a file of its own.
"""
