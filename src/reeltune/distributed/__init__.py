"""Several processes: who am I, how many are we, what fits."""
