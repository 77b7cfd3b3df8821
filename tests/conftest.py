"""Settings of every test run."""

from __future__ import annotations

from hypothesis import settings

# The first example of a test imports or compiles what it needs, so a time limit for single examples says nothing.
settings.register_profile("convsmith", deadline=None)
settings.load_profile("convsmith")
