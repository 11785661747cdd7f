"""Functions of torch that want to know a size, said in others for which it may be open.

Comes in: a call in a trace, with sizes of the trace in it. Goes out: the same numbers, by functions that a trace
follows. Without, the example's size would become everybody's. What the exporter cannot translate is in operators/.
"""
