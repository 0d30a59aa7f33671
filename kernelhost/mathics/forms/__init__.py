"""Values and text: conversion between ``wstp`` and Mathics3, InputForm, OutputForm, real numbers.

This room imports ``wstp`` expressions, Mathics3 and the libraries of numbers, and no other room. It
does no I/O and runs no evaluation of its own; printing applies Format rules. Begin reading at
``convert`` for values, and at ``inputform`` or ``outputform`` for text. Both printers use
``operators`` and ``arithmetic``; ``layout`` places text in two dimensions; ``reals`` writes and
reads real numbers.
"""
