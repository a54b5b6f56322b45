#!/bin/sh
#
# Takes from the disk what cloud-init leaves there of user data: it brings the
# app's credentials, which then stand in conf.env alone. Runs after cloud-init
# at every boot, because cloud-init fetches them again. What it remembers
# (which instance this is, and what it did for it) stays, so nothing is done
# twice; docs/data.md says what cannot be taken away from here.

set -eu

# A seed without user-data is none to cloud-init: an empty one has nothing new to say.
for seed in /var/lib/cloud/seed/*/user-data; do
  [ ! -s "$seed" ] || : >"$seed"
done

# obj.pkl is the data source with all it fetched; the others are its parts, raw,
# decoded and merged.
for instance in /var/lib/cloud/instances/*/; do
  rm -f "$instance"user-data.txt "$instance"user-data.txt.i "$instance"cloud-config.txt "$instance"obj.pkl
  rm -f "$instance"vendor*
  rm -rf "$instance"scripts/*
done
rm -f /run/cloud-init/instance-data-sensitive.json /run/cloud-init/combined-cloud-config.json
