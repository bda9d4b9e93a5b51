"""Pairs with known change, as arrays and as files."""
