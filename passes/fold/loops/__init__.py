"""Loop and Scan: turns that are written out, or one node with a body that stands alone.

In come a node at which the shape walk stands, and what is known of numbers and shapes there; out go nodes behind it, to
which the walk comes next. Ifs are beside this room, and what the body of either shares.
"""
