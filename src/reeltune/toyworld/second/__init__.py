"""The second edition of toyworld: places on a grid, every kind of question, near misses, harder held-out splits."""
