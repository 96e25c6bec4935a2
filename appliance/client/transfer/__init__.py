"""The transfer engines: a plan is made first (so dry-run is free), then carried out.

local walk + remote snapshot -> plan -> folders, links, small files in batches, big files by parts
tickets -> ranges in parallel -> verified chunks in a part file -> rename into place
"""
