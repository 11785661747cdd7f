"""The onnx2tf package as a second opinion: SavedModels and LiteRT files that are made by it, and proven by us.

In comes a source, out goes what onnx2tf writes for its normalised graph (`conversion`). It runs in an environment of
its own, since it pins an older numpy and TensorFlow: `environment` makes that, `run` calls it. Nothing of it is
imported here.
"""
