"""What does nothing goes: no-ops, unused nodes, shapes computed for nothing.

In comes a graph with shapes, out goes a smaller one with the same values at the same names. Nothing here makes one
operator of several (that is `fuse`), nor changes what an operator takes (that is `normalize`).
"""
