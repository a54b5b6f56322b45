#!/usr/bin/env bash
#
# Makes the build droplet what every droplet of this image will be. Runs once,
# as root, beside the files it installs. Wants IMAGE_NAME in the environment, and
# beside itself what is this project's own: artifact.tar, which becomes /opt/app;
# image.env, with the variables that every release of the image has; project.conf,
# which adds to the app's unit; project.sh; scripts; and front.env, unless the app
# is to stand alone.

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
: "${IMAGE_NAME:?IMAGE_NAME is not set: name the image that is being baked}"

# shellcheck source=/dev/null
. "$here/project.sh"
: "${APP_PORT?}" "${APP_PACKAGES?}" "${APP_WRITABLE?}" "${APP_STARTS_BARE?}"

START_S=30

step() { echo "==> $*"; }

# The last line of a bake's log that somebody reads: what is wrong, and the setting that would change it.
fail() {
  echo "✗ $*" >&2
  exit 1
}

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

install_packages() {
  [ -n "$APP_PACKAGES" ] || return 0
  step "installing $APP_PACKAGES"
  apt-get -qq update
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends $APP_PACKAGES >/dev/null ||
    fail "a package of [app] packages in slipway.toml cannot be installed: $APP_PACKAGES"
}

install_app() {
  step "installing the app"
  getent passwd app >/dev/null ||
    useradd --system --user-group --no-create-home --home-dir /opt/app --shell /usr/sbin/nologin app
  install -d -o root -g app -m 0750 /opt/app
  tar --extract --file "$here/artifact.tar" --directory /opt/app --no-same-owner --no-same-permissions
  install -o root -g root -m 0644 "$here/image.env" /opt/app/image.env
  install -o root -g root -m 0644 "$here/app.service" /etc/systemd/system/app.service
  install -D -o root -g root -m 0644 "$here/project.conf" /etc/systemd/system/app.service.d/project.conf
  local folder
  for folder in $APP_WRITABLE; do
    install -d -o app -g app -m 0750 "$folder"
  done
  lacking_libraries
}

# A program that was linked elsewhere may want libraries that this image lacks.
lacking_libraries() {
  [ -x /opt/app/app ] && [ -f /opt/app/app ] || return 0
  local lacking
  lacking=$({ ldd /opt/app/app 2>/dev/null || true; } | awk '/not found/ { print $1 }' | sort -u | xargs)
  [ -z "$lacking" ] ||
    fail "the app needs $lacking, which this image lacks: name the packages in slipway.toml, [app] packages"
}

run_scripts() {
  local script
  for script in "$here"/script-*; do
    [ -e "$script" ] || continue
    step "running ${script##*/}"
    bash "$script" </dev/null || fail "${script##*/} of [app] scripts in slipway.toml failed, counted from 00"
  done
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
  systemctl enable --no-reload --quiet app.service
  systemctl daemon-reload
  [ -n "$APP_STARTS_BARE" ] || return 0
  step "starting the app"
  systemctl start app.service || does_not_start "the app does not start"
  local ends=$((SECONDS + START_S)) state restarts
  until [ -n "$(ss --no-header --listening --tcp --numeric "sport = :$APP_PORT")" ]; do
    state=$(systemctl show --property ActiveState --value app.service)
    restarts=$(systemctl show --property NRestarts --value app.service)
    [ "$restarts" -lt 2 ] || does_not_start "the app ends again and again"
    if [ "$state" = inactive ] || [ "$state" = failed ]; then
      does_not_start "the app ended, with $(systemctl show --property Result --value app.service)"
    fi
    [ $SECONDS -lt $ends ] || does_not_start "nothing listens on port $APP_PORT after $START_S s ([app] port); \
there are $(ss --no-header --listening --tcp --numeric | awk '{ print $4 }' | xargs)"
    sleep 0.2
  done
}

does_not_start() {
  journalctl --unit app.service --no-pager --lines 50 --output cat >&2
  fail "$1. Where it needs what only a release brings, say so in slipway.toml: [app] starts_bare = false"
}

wait_for_cloud_init
install_packages
install_app
run_scripts
keys_only
nothing_changes_later
bounded_journal
close_user_data
put_front
start_app
step "provisioned $IMAGE_NAME"
