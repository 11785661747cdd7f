"""From a prepared graph to a `keras.Model` of native layers.

In comes a graph with private operators and channels last, out goes a model nested as the source's modules are.
`emit` walks it, `ops` has a function for each operator. Nothing here knows ONNX's defaults, opsets or layouts.
"""
