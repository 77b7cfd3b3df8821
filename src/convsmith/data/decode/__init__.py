"""From untrusted image files to pixels."""
