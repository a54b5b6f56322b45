#!/bin/sh
# Limit the control groups that a machine may nest in its own, where systemd is the init and has no name for that limit.
# usage: nesting.sh 'FILE=VALUE ...' GROUP...
set -eu
limits=$1
shift
for group in "$@"; do
  for limit in $limits; do
    [ ! -e "$group/${limit%%=*}" ] || echo "${limit#*=}" >"$group/${limit%%=*}"
  done
done
