"""Integers of a tensor as a stream of nearly as many bits as they are worth, and back.

`stream` is the way in: `write` and `read` code tensors one after another, with one set of adaptive tables. The format
is described in docs/format.md, from which a reader can be written; whatever changes here changes the format.
"""
