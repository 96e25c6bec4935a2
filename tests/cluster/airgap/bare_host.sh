#!/bin/bash
# Runs inside a bare Debian 13: makes of it what an installer leaves, with ssh, and nothing of ours.
# Traps this answers: docs/how-to/cluster-lab.md.
set -euo pipefail
systemctl enable --quiet systemd-networkd ssh
# Without this, each boot waits two minutes for a network that networkd doesn't count as online.
systemctl mask --quiet systemd-networkd-wait-online.service
# A host of the lab may not set the clock, which is the machine's: chrony will run without doing so.
mkdir -p /etc/systemd/system/chrony.service.d
printf '[Unit]\nConditionCapability=\n[Service]\nExecStart=\nExecStart=!/usr/sbin/chronyd -F 1 -x\n' \
    >/etc/systemd/system/chrony.service.d/lab.conf
mkdir -p /root/.ssh /srv/stowbay/drives/d1 /srv/stowbay/drives/d2
chmod 700 /root/.ssh
printf '# There is no DNS.\n' >/etc/resolv.conf
rm -f /etc/machine-id /var/lib/dbus/machine-id
truncate -s 0 /etc/machine-id
rm -rf /var/log/journal /var/cache/apt/*.bin
find /var/lib/apt/lists -type f -delete
