"""What each operator does when the axes of its inputs are stored in another order: a file for each family.

In comes a node and the order of its inputs' axes, out goes the node that reads them so, and the order of its outputs.
The walk and its registry are in `layout/walk`; nothing of Keras is here.
"""
