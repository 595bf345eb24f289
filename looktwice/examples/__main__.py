"""Renders the shipped examples anew."""

from looktwice.examples.catalogue import render_examples

render_examples()
