#!/bin/bash
# Runs inside a bare Debian 13 tree: makes it one that can build wheels.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
apt-get update -q
sed 's/#.*//' /run/packages.txt | xargs apt-get install -q -y --no-install-recommends
