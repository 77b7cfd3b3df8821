"""Spaces of networks as data: which choices there are, what each member costs, and which members keep to limits."""
