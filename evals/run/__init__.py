"""A run over a benchmark: predictions, results, comparison of two runs."""
