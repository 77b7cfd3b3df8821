"""Weights and feature maps in few bits: calibrated after training, or trained so."""
