"""What the inspector measured and concluded: evidence, claims, and how evidence is fused."""
