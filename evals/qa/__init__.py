"""Benchmarks of questions and answers: who answers, how answers are graded."""
