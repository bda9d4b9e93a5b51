"""Toyworld: generated videos of colored shapes with exact ground truth, and the small model that learns from them."""
