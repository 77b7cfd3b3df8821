"""Torch modules, captured by `torch.export` and followed operation by operation."""
