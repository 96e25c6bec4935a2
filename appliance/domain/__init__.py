"""Nouns and pure decisions: the middle of the program.

Standard library only. Clock, randomness and ids come in as arguments.
"""
