"""What a converted model is shipped as: by the libraries made for it, and proven as the `.keras` file is.

In comes a Keras model with the names of its inputs and outputs, out goes a SavedModel folder, a LiteRT or ONNX
file or source code. Whether it computes what the source does is asked in `proof`, in a process of its own.
"""
