"""Manifests: TOML files of the models that a run converts.

In come files, out come entries, or an error with file and line. Nothing is built or converted here.
"""
