"""What happens inside a network: how its gradients flow."""
