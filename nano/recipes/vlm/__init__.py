"""Trains and evaluates nano's vision-language model."""
