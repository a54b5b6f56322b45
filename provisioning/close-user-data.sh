#!/usr/bin/env bash
#
# User data brings credentials: what is left of them on the disk goes after each
# boot, and of the droplet's processes only root can ask for them again. Runs as
# root beside the files it installs.

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)

if ! command -v nft >/dev/null; then
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends nftables >/dev/null
fi
install -o root -g root -m 0755 "$here/forget-user-data.sh" /usr/local/sbin/forget-user-data
install -o root -g root -m 0644 "$here/close-metadata.nft" /etc/close-metadata.nft
install -o root -g root -m 0644 "$here/forget-user-data.service" "$here/close-metadata.service" /etc/systemd/system/
systemctl enable --no-reload --quiet forget-user-data.service close-metadata.service
systemctl daemon-reload
systemctl start forget-user-data.service close-metadata.service
