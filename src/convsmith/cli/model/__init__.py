"""Verbs about models, networks with weights: measure, predict, export, and exchange weights with other libraries."""
