"""Operators on the height and width of images, and on the length of signals: windows, borders, sampling."""
