"""Trains and evaluates nano's grounder."""
