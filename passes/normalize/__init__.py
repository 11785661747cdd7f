"""One opset, no functions, no defaults, no negative axes: a graph that says everything once and in one way.

In come graphs as files and exporters write them, out goes the same in the form that the other rooms count on. What is
computed is for `fold`, what falls away for `simplify`, what becomes one operator for `fuse`.
"""
