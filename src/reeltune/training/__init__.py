"""Training: losses and advantages as pure functions, and the loop that wires them."""
