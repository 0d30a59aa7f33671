"""Evaluate faster than Mathics3, to the same results.

``evaluating`` evaluates symbols, expressions and lists; ``matching`` applies rules with plain
patterns; ``arithmetic`` computes with plain numbers; ``assigning`` assigns to symbols;
``iteration`` has loops, nests and folds; ``arrays`` sorts and multiplies; ``frames`` keeps Python's
stack in one piece. ``installation`` puts it all in place. This room imports Mathics3, ``forms``,
``native`` and ``associations``. Begin reading at ``evaluating``.
"""
