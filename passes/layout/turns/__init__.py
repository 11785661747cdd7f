"""Transposes that the walk had to write, taken back: what is transposed is computed with its axes in that order.

In comes a graph in channels-last operators, out goes the same with fewer Transposes. Where axes lie is no matter of
this room, which changes nothing in a graph without a Transpose: that is the walk's.
"""
