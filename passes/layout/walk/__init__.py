"""The walk through the graph that the layout rules are called from, and how an order of axes is written down.

`registry` says which rule an operator has, `axes_view` what an order of axes is, `walk` puts a transpose where a rule
asks for another order. What a single operator does is in `layout/rules`.
"""
