"""The weights of a source into a Keras model that somebody has written by hand.

In comes a source as its conversion sees it and a model with the same architecture, out go the model's numbers, a map of
which tensor each variable holds, and where the two architectures part. Both models run on the same inputs, layer by
layer: layers are partners where they are given the same and make the same of it. Nothing is known of any architecture.
"""
