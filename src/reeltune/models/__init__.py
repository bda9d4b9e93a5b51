"""Video language models: loading, prompts, vision features, and the log-probs of a group. Knows no task."""
