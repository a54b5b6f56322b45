#!/bin/sh
# Keep one machine where systemd is not the init: make its control groups, run it in them, run it again when it asks
# for a reboot (exit status 133 of systemd-nspawn), and remove the groups when it has ended. Whoever holds the lock is
# the machine's only keeper.
# environment: LOCK, GROUPS_ (directories), LIMITS (FILE=VALUE lines), OWNER (user id), ATTACH (arguments of attach.sh),
#              IPV6_FILE (for attach.sh)
# usage: keeper.sh SYSTEMD-NSPAWN ARGUMENTS...
set -u
exec 9>"$LOCK"
flock 9
here=$(dirname "$0")

remove() {
  for group in $GROUPS_; do
    [ ! -d "$group" ] || find "$group" -depth -type d -delete 2>/dev/null
  done
}

prepare() {
  # shellcheck disable=SC2086  # GROUPS_ is a list of paths without spaces
  mkdir -p $GROUPS_ || return 1
  owned=''
  for group in $GROUPS_; do
    # The machine may nest groups in the unified hierarchy alone, where their number and depth can be limited.
    [ -e "$group/cgroup.subtree_control" ] || continue
    owned="$owned $group"
    for file in cgroup.procs cgroup.threads cgroup.subtree_control; do
      [ ! -e "$group/$file" ] || owned="$owned $group/$file"
    done
  done
  # shellcheck disable=SC2086
  chown "$OWNER:$OWNER" $owned || return 1
  echo "$LIMITS" | while IFS='=' read -r file value; do
    [ -z "$file" ] || [ ! -e "$file" ] || echo "$value" >"$file" || return 1
  done
}

boot() {
  remove
  prepare || return 1
  # shellcheck disable=SC2086  # ATTACH is a list of words
  bash "$here/attach.sh" $ATTACH 9>&- &
  # shellcheck disable=SC2016  # expanded by the inner shell, which is the process that moves
  sh -c 'for group in $GROUPS_; do echo $$ >"$group/cgroup.procs" || exit 1; done; exec "$@"' sh "$@" 9>&-
}

while boot "$@"; [ $? -eq 133 ]; do :; done
remove
