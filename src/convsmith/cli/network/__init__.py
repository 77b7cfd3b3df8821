"""Verbs about networks: what there are, what they cost, how they compare. None of them needs weights."""
