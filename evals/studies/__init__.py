"""Studies: each answers one question about the inspector and prints a table."""
