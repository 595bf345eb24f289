"""Trains and evaluates nano's CLIP scorer."""
