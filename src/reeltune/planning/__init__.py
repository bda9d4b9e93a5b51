"""What a model and a training step cost, from their configs alone: no weights, no tensors."""
