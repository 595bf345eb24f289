"""One script a model: each trains on the world, resumes, stops at `--minutes`, and writes its own model card.

Recipes read training families only; the held-out ones are rendered for the final figures alone.
"""
