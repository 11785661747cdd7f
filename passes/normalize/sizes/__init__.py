"""Sizes that a file fixes, and that a user wants open: those of images and sequences.

A graph whose shapes are numbers comes in; the same graph goes out with open axes, its constants counted anew, or the
node that fixes a size is named. A batch of 1 has a pass of its own, `open_batch`: images of a batch are told apart.
"""
