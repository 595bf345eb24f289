"""Products: their specification and file, and how they are learned from references and a description, and revised."""

from __future__ import annotations
