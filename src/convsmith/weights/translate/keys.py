"""What libraries call a layer's parameters: `PREFIX.weight` in torch's files, `LAYER/kernel` in Keras'."""

from __future__ import annotations

KERAS = {
    "weight": ("kernel", "depthwise_kernel"),
    "bias": ("bias",),
    "mean": ("mean",),
    "variance": ("variance",),
}
KERAS_NORM = {
    "weight": ("gamma",),
    "bias": ("beta",),
    "running_mean": ("moving_mean",),
    "running_var": ("moving_variance",),
}
COUNTER = "{}/count"
"""Where Keras' `Normalization` keeps the number of pixels behind its statistics."""
UNUSED = ("num_batches_tracked", COUNTER.format(""))
"""Entries of checkpoints that no output depends on."""


def keys_of(prefix: str, parameter: str, source: str, *, norm: bool) -> tuple[str, ...]:
    """The keys that a parameter of ours may have in a library's file; first the one that the library itself writes.

    `prefix` is the library's name of the layer, `norm` says whether it is a batch norm.
    """
    if source != "keras":
        return (f"{prefix}.{parameter}",)
    separator = "_" if "/" in prefix else "/"  # a separable layer has two kernels: NAME/depthwise_kernel
    return tuple(f"{prefix}{separator}{name}" for name in (KERAS_NORM if norm else KERAS)[parameter])
