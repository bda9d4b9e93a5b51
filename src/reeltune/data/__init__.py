"""Getting data in and looking at it: `reeltune data import` and `reeltune data check`."""
