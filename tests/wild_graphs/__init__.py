"""Random graphs of any operator, attribute, dtype and open size, as a hypothesis strategy, for scripts/fuzz.py.

In comes a generator of numbers, out goes a model that onnxruntime runs at several sizes. Each node is run as it is
drawn, at all of the sizes: what onnxruntime refuses is no part of a graph. random_graphs.py beside it is for the layout
pass: it knows the sizes by itself, draws what moves axes, and shrinks. Spectra are left to their own
tests: of the zeros that their sums leave, and of quotients by them, two right answers differ.
"""

from tests.wild_graphs.drawing import SIZES
from tests.wild_graphs.graphs import graphs

__all__ = ["SIZES", "graphs"]
