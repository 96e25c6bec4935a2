"""What support needs of an installation in one file: taken by allow-lists, then redacted.

`sources` is the one list of what is taken, `selection` of what of it is kept (keys, fields,
directives), `redaction` the net below it: whatever looks like a secret, or is one that this host
knows (`known`), however it is written (`disguises`). `bundle` makes the archive and its manifest.
"""
