"""How a verdict becomes sentences: what was found and may be stated as a fact, what it may mean, what would settle it.

A sentence rests on evidence that is there already: nothing is measured here, and neither a score nor a verdict changes.
`statements.py` and `infer.py` put claims into words, `prose.py` lets a model write where `check.py` finds no fault, and
`show.py` draws the page. agent/steps/explain.py decides the order; the words themselves are data, in prompts/report/.
"""
