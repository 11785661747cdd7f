"""Whether the saved model computes what the source computes.

In come a saved model and its source; out goes a verdict with every case, its oracle and its tolerance, and the first
layer that differs. What the source computes is in `proof/oracle`; the processes that replay are in `processes`.
"""
