"""Data sets known by name: bundled, installed or fetched."""
