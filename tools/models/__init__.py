"""Models: where checkpoints are, how they are fetched, checked, placed and loaded."""
