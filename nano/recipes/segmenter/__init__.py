"""Trains and evaluates nano's segmenter."""
