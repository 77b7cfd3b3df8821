"""Networks in ONNX Runtime, on the CPU."""
