"""The doctor: looks at a running system, from a host or from outside, and says what is wrong.

One module a thing to look at: `look` gathers facts and never judges, `judge` is pure and turns
facts into lines. `codes` is the one table of what a line may say, `examination` runs all of it.
"""
