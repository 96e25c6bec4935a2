"""Use cases, one family a file: transactions begin and end here.

Services take opaque ids and wire requests, and return wire answers or raise a Problem. A write's
answer is `Written`, with the space's seq that it made.
"""
