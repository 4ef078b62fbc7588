"""Merges: several models of one family become one model of the same size.

A file defines `merge(deltas, *, ...) -> delta`: `deltas` (m, ...) are the members' differences from the base, one
tensor at a time, float32, in the order the user named them; the result is added to the base.
"""
