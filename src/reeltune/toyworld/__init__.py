"""Toyworld: generated videos of coloured shapes with exact ground truth, and the small model they teach."""
