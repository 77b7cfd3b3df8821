"""Tables that name images and their classes."""
