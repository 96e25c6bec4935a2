#!/bin/bash
# Runs inside a bare Debian 13 tree: source packages can be asked for, too.
set -euo pipefail
sed -n 's/^deb /deb-src /p' /etc/apt/sources.list >/etc/apt/sources.list.d/sources.list
