"""The recipe: its schema, its messages, and its page of documentation."""
