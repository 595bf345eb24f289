"""Shipped photos for a first try: products of the nano world, with good ones to compare with."""

from looktwice.examples.catalogue import Example, examples

__all__ = ["Example", "examples"]
