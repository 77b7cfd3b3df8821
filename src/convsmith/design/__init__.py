"""Evidence from data -> choices with reasons."""
