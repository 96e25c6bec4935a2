"""What runs on a user's machine: the API's client, the cutter and the transfer engines.

Imports domain, wire and telemetry only. Nothing here prints: progress and outcomes go to the
caller, who may be a command, a sync engine or a test.
"""
