"""From an image of any size to the network's input, in ONNX ops that every engine has."""
