#!/bin/bash
# Connect a machine that is starting: as soon as its two interfaces are there, route its public addresses to the one
# (answering ARP there for the whole range, at once, and taking no other source address) and put the other on the VPC's
# bridge (taking no address of a neighbour, and nothing but IPv4), which comes last and says that all is done. Part of
# each boot, so that a reboot from inside works without the server.
# environment: IPV6_FILE, which says for a machine that has IPv6, at each boot anew: ADDRESS GATEWAY
# usage: attach.sh PUBLIC_INTERFACE PRIVATE_INTERFACE VPC_BRIDGE ADDRESS GATEWAY ANCHOR_ADDRESS PRIVATE_ADDRESS \
#                  VPC_RANGE TABLE
set -eu
exec 8<> <(:) # nothing ever comes from here: a wait that starts no process, when twenty machines wait at once
tries=0
until [ -e "/sys/class/net/$1" ] && [ -e "/sys/class/net/$2" ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 300 ] || { echo "the interfaces of the machine did not appear" >&2; exit 1; }
  read -rt 0.05 -u 8 || :
done
settings6="/proc/sys/net/ipv6/conf/$1"
address6=''
gateway6=''
[ ! -s "$IPV6_FILE" ] || read -r address6 gateway6 <"$IPV6_FILE"
if [ -n "$address6" ]; then
  # Nothing that the machine announces counts here, and the gateway's address is known to be nobody else's.
  echo 0 >"$settings6/accept_ra"
  echo 0 >"$settings6/accept_dad"
  echo 0 >"$settings6/disable_ipv6"
elif [ -e "$settings6" ]; then
  echo 1 >"$settings6/disable_ipv6"
fi
echo 1 >"/proc/sys/net/ipv4/conf/$1/proxy_arp"
echo 0 >"/proc/sys/net/ipv4/neigh/$1/proxy_delay"
echo 1 >"/proc/sys/net/ipv4/conf/$1/rp_filter"
# Who calls a machine that is still booting asks for it again soon, not after the kernel's second; three seconds in all.
echo 100 >"/proc/sys/net/ipv4/neigh/$1/retrans_time_ms"
echo 30 >"/proc/sys/net/ipv4/neigh/$1/mcast_solicit"
# Of other networks it may send, as a gateway of its neighbours does. Not every kernel can filter there.
nft -f - 2>/dev/null <<END || :
table netdev $9 { chain $2 { type filter hook ingress device "$2" priority filter; policy accept; }; }
flush chain netdev $9 $2
table netdev $9 {
  chain $2 {
    ether type != { ip, arp } drop
    ip saddr $8 ip saddr != $7 drop
    arp saddr ip != { 0.0.0.0, $7 } drop
  }
}
END
ip -batch - <<END
link set $1 up
route replace $4/32 dev $1 src $5
route replace $6/32 dev $1 src $5
${address6:+address replace $gateway6/128 dev $1 nodad}
${address6:+route replace $address6/128 dev $1 src $gateway6}
link set $2 master $3 up
END
