"""The folder of a run: its database, its pages, its export, its comparison with an earlier run.

In come results, out go tables and files. What makes results is in `running`.
"""
