"""Every word that is sent to a model or a person, as data: YAML and Jinja beside this loader.

Nothing here decides anything; no other room is imported.
"""

from prompts._load import in_language, languages_of, load_yaml, questions, ready_made, render, strings

__all__ = ["in_language", "languages_of", "load_yaml", "questions", "ready_made", "render", "strings"]
