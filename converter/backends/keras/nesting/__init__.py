"""The source's modules as nested models: which nodes are one call of which module.

In come the nodes of the graph with the module that each was in, out goes a tree of calls, of which equal ones are one
model. What a node becomes is for `ops`.
"""
