"""Trains and evaluates nano's tracer of edges and damage."""
