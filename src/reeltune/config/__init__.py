"""Recipes and their option classes: the ground floor, which imports nothing of ours but errors."""
