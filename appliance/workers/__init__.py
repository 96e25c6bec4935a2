"""What is done without being asked: finished, expired, deleted, compared, read back.

Every job plans first and executes then, so a dry run is the plan alone. A job finds the spaces
that need it bucket by bucket, and works on one space at a time under a lease (holding.py); any
number of worker processes may run, and any of them may be stopped, continued or killed.

    uploads     finishes or undoes what was left half-way, expires the idle, forgets tombstones
    blobs       lets unused blobs die, deletes the objects of those whose grace is over
    trash       deletes for good what has been in the trash long enough
    purging     clears the rows of what was deleted for good
    outbox      applies work for other keys that a crash left behind
    answers     forgets kept answers of Idempotency-Keys
    reconcile   compares rows and store in both directions
    scrub       reads blobs back and checks every chunk and the whole
    heal        has the store write what a drive that was away missed
"""
