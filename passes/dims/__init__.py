"""Sizes of axes as expressions of named sizes, exact: `2*h + 1`, `floor(h/2)`.

In come the sizes that a graph's shapes say as numbers or text, out go sums, products and quotients of them that can be
compared, bounded and printed. Of graphs and operators nothing is known here.
"""
