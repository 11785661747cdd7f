"""What makes a model of a prepared graph: one folder for each kind of model.

In comes a graph that the passes have been through, out goes a model that can be saved. Nothing here knows where the
graph came from.
"""
