"""A network as a picture: outline, placement, SVG."""
