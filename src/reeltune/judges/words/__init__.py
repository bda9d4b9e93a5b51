"""English words compared without a model: lemmas (simplemma) and synonyms (Princeton WordNet 3.0), all offline."""
