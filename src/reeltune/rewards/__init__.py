"""From components and functions to one number per completion, for whole groups."""
