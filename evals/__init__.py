"""Measures the inspector by the reports that a user gets: datasets, metrics, and a runner that resumes.

It reads agent's reports and nano's world, and knows nothing of the front door.
"""
