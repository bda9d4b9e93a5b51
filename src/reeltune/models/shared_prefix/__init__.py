"""One prompt, many completions: attention, packed rows, prefill and decoding."""
