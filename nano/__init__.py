"""The embedded default: a procedural product world, the recipes that train on it, and the weights.

Recipes and world may use tools and prompts, never agent or evals.
"""
