"""Benchmarks: readers, the runner, scores with their trivial baselines."""
