#!/bin/sh
# In place of swapon, swapoff, sysctl and modprobe in a droplet of the local cloud: the kernel is the host's, so a droplet
# has no swap and no modules of its own, and cannot set what holds for the whole machine. A script that runs at
# DigitalOcean must not fail for that. So the real program runs first; what it may not do here is ignored, and said in the
# journal and on the console. Every other failure stays one.
name=$(basename "$0")
folder=/usr/lib/localocean
real="$folder/$name"

ignored() {
  message="localocean ignored: $name $* ($why)"
  logger --tag localocean -- "$message" 2>/dev/null || :
  { echo "$message" >/dev/console; } 2>/dev/null || :
}

# The lines of an error that are no refusal of this machine's.
faults() {
  case "$name" in
    swapon | swapoff) grep -v -e 'Operation not permitted$' -e 'Not superuser\.$' ;;
    sysctl)
      grep -v -e 'permission denied on key' -e 'Read-only file system$' | while IFS= read -r line; do
        key=$(echo "$line" | sed -n 's|.*cannot stat /proc/sys/\([^:]*\): .*|\1|p')
        [ -n "$key" ] && grep -qxF "$key" "$folder/sysctl-keys" || echo "$line"
      done
      ;;
    *) cat ;;
  esac
}

case "$name" in
  modprobe)
    why='a droplet loads no modules of the kernel, which is shared; those that the machine has loaded work'
    for word; do
      case "$word" in -V | --version | -h | --help | -c | --showconfig | -D | --show-depends) exec "$real" "$@" ;; esac
    done
    [ $# -gt 0 ] || exec "$real"
    ignored "$@"
    exit 0
    ;;
  sysctl) why='it holds for the whole machine, whose kernel droplets share' ;;
  *) why='a droplet has no swap of its own' ;;
esac

errors=$(mktemp)
trap 'rm -f "$errors"' EXIT
"$real" "$@" 2>"$errors"
code=$?
if [ "$code" -ne 0 ] && [ -s "$errors" ] && [ -z "$(faults <"$errors")" ]; then
  ignored "$@"
  exit 0
fi
cat "$errors" >&2
exit "$code"
