"""Architectures as a Keras engineer writes them by hand: what scripts/bench.py measures converted models against, and
what `keraport weights port` puts the weights of their partners into."""
