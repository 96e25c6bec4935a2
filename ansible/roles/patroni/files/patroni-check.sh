#!/bin/sh
# patroni --validate-config, which also takes an etcd host that is down for a mistake in the settings.
problems=$(/usr/bin/patroni --validate-config --ignore-listen-port "$1" 2>&1) && exit 0
problems=$(printf '%s\n' "$problems" | grep -v ' is not reachable')
[ -z "$problems" ] && exit 0
printf '%s\n' "$problems" >&2
exit 1
