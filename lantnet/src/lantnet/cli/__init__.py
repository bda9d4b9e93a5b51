"""The command `lantnet`."""
