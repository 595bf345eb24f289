"""How a product is learned: its parts, and the rules that its references bear out, from good photos and a sentence.

`learn.py` is the way through, and `revise.py` the way back to a product that erred. A sentence is read (`told.py`), the
narrator is asked for parts and rules (`propose*.py`, in the form of `proposal.py`), and what either says is put to the
proof (`prove_*.py`). Nothing is believed because a model said it. What a rule means is decided in agent/rules/, which
regularities are looked for in agent/induce/; no photo is judged here.
"""
