"""One machine, the whole path: certificates, secrets and processes of `make run`, `up`, `down`.

Hosts get the same parts from Ansible; this room is how a newcomer, a developer and the
integration tests run them. It touches nothing outside the instance's own folder (STOWBAY_VAR),
one folder in memory, and the loopback ports it is told.
"""
