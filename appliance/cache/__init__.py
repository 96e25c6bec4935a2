"""Redis: what makes answers faster and wake-ups sooner, and may be lost at any moment.

Nothing here is ever the only copy of anything, and no call of this room fails: a Redis that is
slow, stopped or gone looks like one that holds nothing.
"""
