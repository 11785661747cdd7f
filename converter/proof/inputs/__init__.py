"""What a model is tried with: sizes, and arrays of them, at which the source itself runs and its outputs move.

In come the inputs of a graph, what it demands of them and the user's own examples; out come trials, with what
the oracle says of each. How an answer is judged is in `proof`.
"""
