"""Lowering: network -> torch module, network and weights -> ONNX, preprocessing -> torch."""
