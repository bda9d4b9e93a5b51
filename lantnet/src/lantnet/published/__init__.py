"""The paper's method, in the paper's order: srad, prelabels, network, paper (arXiv 2208.04481)."""
