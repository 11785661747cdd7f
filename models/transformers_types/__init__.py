"""Sixty model types of transformers, small and with random weights; models/transformers.toml lists them.

A type has a function that builds it: a few layers, small widths, no cache. What it returns takes tensors and gives
tensors: those of the model's output, in its order.
"""
