#!/usr/bin/env bash
#
# Makes the build droplet what every droplet of this image will be. Runs once,
# as root, beside the files it installs. Wants IMAGE_NAME in the environment, and
# beside itself image.env, with the variables that every release of the image has,
# and front.env unless the app is to stand alone.

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
: "${IMAGE_NAME:?IMAGE_NAME is not set: name the image that is being baked}"

step() { echo "==> $*"; }

wait_for_cloud_init() {
  step "waiting for cloud-init"
  local code=0
  timeout 180 cloud-init status --wait >/dev/null || code=$?
  # From 23.4 on, 2 is "done, with warnings": the base image's own affair.
  if [ "$code" -ne 0 ] && [ "$code" -ne 2 ]; then
    cloud-init status --long >&2 || true
    echo "cloud-init did not finish on the build droplet (exit code $code)" >&2
    exit 1
  fi
}

install_app() {
  step "installing the app"
  getent passwd app >/dev/null ||
    useradd --system --user-group --no-create-home --home-dir /opt/app --shell /usr/sbin/nologin app
  install -d -o root -g app -m 0750 /opt/app
  install -o root -g root -m 0755 "$here/app" /opt/app/app
  install -o root -g root -m 0644 "$here/image.env" /opt/app/image.env
  install -o root -g root -m 0644 "$here/app.service" /etc/systemd/system/app.service
}

# The first value wins in sshd_config, so this must sort before the file that
# cloud-init writes when a password is set.
keys_only() {
  step "SSH by key only"
  install -d -m 0755 /etc/ssh/sshd_config.d
  install -m 0644 /dev/stdin /etc/ssh/sshd_config.d/00-keys-only.conf <<'CONFIG'
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitEmptyPasswords no
AuthenticationMethods publickey
X11Forwarding no
AllowAgentForwarding no
AllowStreamLocalForwarding no
# The operator's way to the managed database, which takes connections from droplets only.
AllowTcpForwarding local
PermitOpen *:25060
LoginGraceTime 30
CONFIG
  sshd -t
  systemctl reload ssh.service
}

# A droplet is what its image is: updates come as a new image. Stopped before
# they are masked, or systemd counts them as failed.
nothing_changes_later() {
  step "turning off automatic updates"
  local units=(apt-daily.timer apt-daily-upgrade.timer apt-daily.service apt-daily-upgrade.service
    unattended-upgrades.service)
  systemctl stop "${units[@]}" 2>/dev/null || true
  systemctl mask --no-reload --quiet "${units[@]}" 2>/dev/null
}

bounded_journal() {
  step "bounding the journal"
  install -d -m 0755 /etc/systemd/journald.conf.d
  install -m 0644 /dev/stdin /etc/systemd/journald.conf.d/50-bounded.conf <<'CONFIG'
[Journal]
Storage=persistent
SystemMaxUse=200M
MaxRetentionSec=1month
CONFIG
}

close_user_data() {
  step "closing user data"
  bash "$here/close-user-data.sh"
}

put_front() {
  [ -e "$here/front.env" ] || return 0
  step "putting the front before the app"
  bash "$here/front/install.sh"
}

# Started here as well, so that the image's tests see it run in its sandbox.
start_app() {
  step "starting the app"
  systemctl enable --no-reload --quiet app.service
  systemctl daemon-reload
  if ! systemctl start app.service; then
    journalctl --unit app.service --no-pager --lines 50 --output cat >&2
    exit 1
  fi
}

wait_for_cloud_init
install_app
keys_only
nothing_changes_later
bounded_journal
close_user_data
put_front
start_app
step "provisioned $IMAGE_NAME"
