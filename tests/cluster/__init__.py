"""Stowbay on real Debian hosts: a laboratory of systemd-nspawn machines, and what is run in it.

`make test` doesn't collect this package: it wants root, Debian packages of its own and minutes.
See docs/how-to/cluster-lab.md.
"""
