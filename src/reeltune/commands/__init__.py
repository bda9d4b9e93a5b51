"""The commands: arguments and printing only, one file each. Nothing heavy is imported before a command runs."""
