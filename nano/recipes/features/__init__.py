"""Distils nano's feature backbone from a teacher, and evaluates it."""
