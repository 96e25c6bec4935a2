#!/bin/bash
# Runs inside the unbooted base: installs what packages.txt names, starts nothing.
# Traps this answers: docs/how-to/cluster-lab.md.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
listed() { sed 's/#.*//' /run/packages.txt | xargs; }

printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
mkdir -p /etc/postgresql-common
echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
wants() { find /etc/systemd/system -path '*.wants/*' -name '*.service' -printf '%f\n' | sort -u; }
wants >/run/wanted-before
apt-get update -q
# shellcheck disable=SC2046
apt-get install -q -y --no-install-recommends $(listed)
# The roles start services; a host of the lab boots with none but these.
wants | comm -13 /run/wanted-before - |
    grep -vxE 'chrony.service|cron.service|systemd-.*' | xargs -r systemctl disable --quiet
rm -f /usr/sbin/policy-rc.d

systemctl enable --quiet systemd-networkd ssh
# Without this, each boot waits two minutes for a network that networkd doesn't count as online.
systemctl mask --quiet systemd-networkd-wait-online.service
# There is no mirror to reach: apt's timers stay as they are, their services are passed over.
for unit in apt-daily apt-daily-upgrade; do
    mkdir -p "/etc/systemd/system/$unit.service.d"
    printf '[Unit]\nConditionPathExists=/run/lab-has-a-mirror\n' \
        >"/etc/systemd/system/$unit.service.d/lab.conf"
done
# A host of the lab may not set the clock, which is the machine's: chrony runs without doing so.
mkdir -p /etc/systemd/system/chrony.service.d
printf '[Unit]\nConditionCapability=\n[Service]\nExecStart=\nExecStart=!/usr/sbin/chronyd -F 1 -x\n' \
    >/etc/systemd/system/chrony.service.d/lab.conf

mkdir -p /root/.ssh /srv/stowbay/drives/d1 /srv/stowbay/drives/d2
chmod 700 /root/.ssh
printf '# The lab has no DNS: /etc/hosts names all hosts.\n' >/etc/resolv.conf
# Two places hold the machine's identity; each boot of a copy without both draws a new one.
rm -f /etc/machine-id /var/lib/dbus/machine-id
truncate -s 0 /etc/machine-id
rm -rf /var/log/journal
