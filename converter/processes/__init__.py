"""Processes that run saved models where keraport is not imported, and the lock of what one process does at a time.

In comes the path of a `.keras` file with inputs, out go its outputs or how it ended. What is asked and how it is judged
is in `proof`.
"""
