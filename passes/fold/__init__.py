"""What does not depend on the inputs is computed now.

In comes a node whose inputs are constants (or shapes whose sizes are expressions), out goes its value. Who walks the
graph, and which shapes follow from it, is for `shapes`; what constants mean as weights is in `graph`.
"""
