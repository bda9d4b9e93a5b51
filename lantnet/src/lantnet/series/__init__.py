"""More than two dates: when each pixel changed, how, for how long, and whether later dates confirm it."""
