"""Architectures as a Keras engineer writes them by hand: what scripts/bench.py measures converted models against."""
