"""A run: children that each convert one model, their limits, their deaths, on this machine or on a Dask cluster.

In come entries, out go results. What is written down of them is in `results`.
"""
