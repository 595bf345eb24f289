"""Renders the shipped examples anew."""

from looktwice.examples import render_examples

render_examples()
