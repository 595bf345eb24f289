"""The command line: one file a command; nothing heavy is imported before a command runs."""

from looktwice.cli.main import main

__all__ = ["main"]
