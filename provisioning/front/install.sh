#!/usr/bin/env bash
#
# Puts the front before the app: HAProxy, as Debian keeps it. Runs as root beside
# the files it installs, and beside front.env, which says where the app is.

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)

# Masked, it does not start with a configuration that is not ours.
systemctl mask --quiet haproxy.service 2>/dev/null
if ! command -v haproxy >/dev/null; then
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends haproxy >/dev/null
fi
install -d -o root -g root -m 0755 /etc/slipway
install -o root -g root -m 0644 "$here/front.cfg" "$here/close-app.nft" "$here/../front.env" /etc/slipway/
install -o root -g root -m 0755 "$here/front-drain" /usr/local/sbin/front-drain
install -o root -g root -m 0644 "$here/front.service" "$here/close-app.service" /etc/systemd/system/
systemctl enable --no-reload --quiet front.service close-app.service
systemctl daemon-reload
systemctl start close-app.service front.service
