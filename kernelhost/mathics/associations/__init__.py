"""Associations as keyed values: what Mathics3 keeps as a sequence of rules.

``expression`` is the association itself, an atom with keys and values. ``parts`` finds and sets
parts of lists and associations, ``assignment`` assigns to keys and parts of a symbol's value.
``seen`` is how functions of lists see an association, ``keyed`` has the functions of keys, and
``walking`` lets what descends into expressions pass through associations. ``templates`` fills
templates of text from their values. ``installation`` puts it all in place. This room imports
Mathics3 and ``native``. Begin reading at ``expression``.
"""
