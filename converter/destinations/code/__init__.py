"""A Keras model as the source code that a Keras engineer would write: in comes the model, out goes Python text.

`read` turns each functional model into statements, `templates` finds which nested models are one function with
other arguments, `body` names the tensors and finds the loops, `module` puts the file together. Nothing in here knows
ONNX, or how the model came to be.
"""
