"""Whole zoos: many models from manifests, each converted in a child process of its own; nothing that one does stops
the others.

The way of an entry: `manifest` → `wildcards` → `run` → `cluster` → `supervise` (limits, a child) → `child`
(`converter.convert`) → `outcome` → `store` → `dashboard`.
"""
