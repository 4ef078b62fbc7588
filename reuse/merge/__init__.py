"""Merges: several models of one family become one model of the same size.

A file defines `merge(stack, *, ...)`: `stack` (reuse/weights/stack.py) is one tensor of all models in the order the user named them. It
returns the merged tensor, whole or in blocks; of a method that needs a base, the difference from it. Constants say what else it needs:

    NEEDS_BASE          it is given differences from the base (else: the weights)
    NEEDS_STATISTICS    "gram" or "fisher": what each owner (or its specification) tells of the data (reuse/weights/statistics.py)
    SWEEP               {parameter: values}: with labelled rows the best value is chosen on them, where the user gave none
    ORDERED             the result hangs on the order of the models
    choose(n, score)    with labelled rows: which of n models go in; `score(members)` is a merged model's loss
"""
