"""p-MoD: vision tokens skip decoder layers (arXiv 2412.04449)."""
