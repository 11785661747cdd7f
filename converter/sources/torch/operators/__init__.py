"""Operators that torch's exporter lacks, gets wrong or takes apart badly.

Comes in: a captured program. Goes out: the same, in operators that the exporter has (decompositions, pools), or a table
of functions that write an operator in ONNX (translations). Recurrent operators are kept whole while a module is traced.
What belongs to one architecture does not belong here.
"""
