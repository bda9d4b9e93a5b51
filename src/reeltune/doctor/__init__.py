"""Whether this machine computes what Reeltune needs: versions, devices, attention, a real model, several processes."""
