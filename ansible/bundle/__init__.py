"""`make bundle`: all that hosts without internet need, in one signed folder.

The rooms: `licences`, `dep5`, `deb`, `apt_index`, `sbom`, `schema`, `check` and `manifest` decide
and write text, with no process and no network; `debian`, `wheels`, `go_modules` and `project`
collect. What lies where in a bundle: docs/reference/bundle.md.
"""
