#!/usr/bin/env bash
#
# The last thing that runs on the build droplet: takes away whatever makes it
# *this* machine, so that every droplet of the image starts as a new one. After
# it nobody can log in any more; connections that are open stay open.

set -euo pipefail
shopt -s nullglob dotglob

here=$(cd "$(dirname "$0")" && pwd)

# From here on the journal is in memory only: what is deleted stays deleted.
# The setting is in /run, so the droplets of the image do not have it.
silence_journal() {
  mkdir -p /run/systemd/journald.conf.d
  printf '[Journal]\nStorage=volatile\n' >/run/systemd/journald.conf.d/99-volatile.conf
  systemctl restart systemd-journald.service
}

stop_services() {
  systemctl stop front.service 2>/dev/null || true # not every image has one
  systemctl stop app.service
  # Stopped now, it does not save a seed again at the shutdown.
  systemctl stop systemd-random-seed.service 2>/dev/null || true
}

# --seed, because a seed in the image carries the build droplet's own user
# data, and with it a private host key.
forget_cloud_init() {
  cloud-init clean --logs --seed
  rm -rf /var/lib/cloud/* /run/cloud-init/instance-data*.json
  rm -f /etc/network/interfaces.d/50-cloud-init /etc/netplan/50-cloud-init.yaml
  rm -f /etc/sudoers.d/90-cloud-init-users /etc/ssh/sshd_config.d/50-cloud-init.conf
}

# Whole folders: besides Packer's key there may be those of the account, of the
# provider's agent and of the base image's user.
forget_access() {
  rm -rf /root/.ssh /home/*/.ssh
  rm -f /etc/ssh/ssh_host_*
}

forget_identity() {
  rm -f /var/lib/systemd/random-seed /var/lib/systemd/credential.secret
  rm -f /var/lib/dhcp/*.leases /run/systemd/netif/leases/*
  echo localhost >/etc/hostname
  # Empty, not missing: systemd fills it in at the first boot.
  : >/etc/machine-id
  [ -L /var/lib/dbus/machine-id ] || rm -f /var/lib/dbus/machine-id
}

forget_history() {
  rm -f /root/.*_history /root/.lesshst /root/.wget-hsts /home/*/.*_history
  rm -rf /root/.cache /root/.ansible /root/.local
  find /var/log -type f -exec truncate --size 0 {} +
  find /var/log -type f \( -name '*.gz' -o -name '*.[0-9]' -o -name '*.old' \) -delete
  rm -rf /var/log/journal/*
}

forget_packages() {
  apt-get clean
  rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old /var/lib/dpkg/*-old
}

# What is left now is the image; the manifest says what that is.
write_manifest() {
  # shellcheck source=/dev/null
  (. /opt/app/image.env && python3 -I "$here/manifest.py" "$APP_IMAGE" /usr/share/slipway/manifest.json.gz)
}

main() {
  stop_services
  silence_journal
  forget_cloud_init
  forget_access
  forget_packages
  forget_history
  forget_identity
  write_manifest
  rm -rf /tmp/* /var/tmp/*
  sync
}

# A function, so that bash has read all of the script before it deletes it.
main
exit 0
