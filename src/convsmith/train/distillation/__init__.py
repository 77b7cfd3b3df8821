"""Learning from a teacher: a trained model whose answers and feature maps are part of what a student learns."""
