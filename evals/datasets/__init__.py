"""Readers of data sets, one file a layout; each yields the same typed cases."""

from evals.datasets.base import BenchmarkCase, Category, Label
from evals.datasets.registry import BENCHMARKS, open_benchmark

__all__ = ["BENCHMARKS", "BenchmarkCase", "Category", "Label", "open_benchmark"]
