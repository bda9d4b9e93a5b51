"""The paper's method (arXiv 2208.04481), in the paper's order, as plain functions and networks.

1. srad.py: speckle is smoothed, edges stay.
2. prelabels.py, clustering.py: the difference image and its hierarchical fuzzy c-means give noisy labels.
3. network.py: the layer attention network on 7 x 7 patches.
4. loss.py: the noise-tolerant loss.

`PAPER` in methods/recipes.py puts them together with the published constants.
"""
