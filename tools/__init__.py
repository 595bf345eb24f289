"""Perception: each tool has one verb and a typed result.

A tool knows nothing of agents, evals or the front door; heavy libraries load with the module that needs them.
"""
