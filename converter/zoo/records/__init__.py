"""What is known of a model of a run: its entry, its result, and the kinds of endings.

Plain data, which every other room of the zoo reads and writes. Nothing here does anything.
"""
