"""Recipes as data: by name, from the papers, and the default."""
