"""Ensembles: the members stay as they are, their answers are combined. Any formats.

A file defines `weigh(crowd, *, ...) -> weights (n, m) or (m,)`, or, where it learns from labels,
`fit(crowd, y, *, ...) -> state` and `apply(crowd, state) -> outputs`. `UNSEEN` says what a class is to a member
that never saw it (reuse/combine.py).
"""
