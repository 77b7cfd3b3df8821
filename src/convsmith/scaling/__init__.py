"""Compound scaling of any network, with constants found on the user's own data (Tan and Le 2019)."""
