"""Who is guilty: in come a model that is wrong and its source, out come the pass or the layer, and the smallest repro.

What an output may differ by is not decided here, but in `proof`.
"""
