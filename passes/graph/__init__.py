"""What every pass uses to read and change a graph: constants and where they come from, matching, new nodes.

No pass is here, and nothing that knows what an operator computes. `weight_views` and `weight_takes` are how a constant
stays a look at a weight of the source.
"""
