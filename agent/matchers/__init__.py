"""Matchers: turn a photo and a product into evidence."""
