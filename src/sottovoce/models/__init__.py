"""Model files: what they hold, how they are checked and opened, and where they come from."""
