"""Ensembles: the members stay as they are, their answers are combined. Any formats.

A file defines one of
    weigh(crowd, *, ...) -> weights (n, m) or (m,)
    answer(crowd, *, ...) -> outputs                    where weights do not say it
    fit(crowd, y, *, ...) -> state                      where it learns from labels, with apply(crowd, state) -> outputs
`UNSEEN` says what a class is to a member that never saw it (reuse/combine.py). A state is plain numbers and words; its "members", where it
has them, are the only ones it needs.
"""
