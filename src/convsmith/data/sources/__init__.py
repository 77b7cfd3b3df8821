"""Readers: what a folder, manifest, archive or array file says it holds, before anything is checked or split."""
