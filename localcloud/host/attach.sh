#!/bin/sh
# Connect a machine that is starting: as soon as its two interfaces are there, put them on their bridges and route
# its address. Part of each boot of a machine, so that a reboot from inside works without the server.
# usage: attach.sh PUBLIC_INTERFACE PRIVATE_INTERFACE BRIDGE VPC_BRIDGE ADDRESS GATEWAY
set -eu
tries=0
until [ -e "/sys/class/net/$1" ] && [ -e "/sys/class/net/$2" ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 1500 ] || { echo "the interfaces of the machine did not appear" >&2; exit 1; }
  sleep 0.01
done
ip -batch - <<END
route replace $5/32 dev $3 src $6
link set $2 master $4 up
link set $1 master $3
link set $1 type bridge_slave isolated on
link set $1 up
END
