"""The shape of every value: for each operator a rule that works on sizes with names.

In comes a graph of one opset, out goes the same with shapes, and with everything computed that shapes decide: constant
branches, lists, sizes. A rule is in `shapes/rules`, arithmetic on sizes in `dims`.
"""
