"""Variance-aware data selection (Temporal-RLT, arXiv 2506.01908): keep the informative samples.

`sampling` asks the model K times about every sample, `stats` is what it found, `rules` choose, `outcome` and
`report` write what was chosen and why. How often to ask, at which temperature and with which thresholds is
published nowhere: those are settings, and the statistics allow choosing again without asking again.
"""
