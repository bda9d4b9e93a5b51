"""Rollout engines: G completions of each prompt, with the log-probs of what was sampled."""
