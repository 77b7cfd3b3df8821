"""Measuring a device: the networks that are timed, their graphs, and the engines that run them."""
