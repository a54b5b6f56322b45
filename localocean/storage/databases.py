"""What database machines stand on: the Debian of the droplets with PostgreSQL and PgBouncer, and a cluster in it.

The packages come from where the base's own did. They are installed in the user namespace that the machines will have,
so that everything has its owner at once. The cluster has its administrator and first database, but no password yet;
its superuser trusts no function or operator that the owner of a database put in his way.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from localocean.host import cgroups, inherit, inside
from localocean.host.postgres import layout
from localocean.host.run import run

PACKAGES = (f"postgresql-{layout.VERSION}", "pgbouncer", "prometheus-postgres-exporter")
IDLE = (
    *("cloud-init-local.service", "cloud-init.service", "cloud-config.service", "cloud-final.service"),
    *("ssh.service", "ssh.socket", "systemd-logind.service", "console-getty.service", "getty.target"),
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer"),
    *("e2scrub_reap.service", "ifupdown-pre.service"),
    *("systemd-update-utmp.service", "systemd-update-utmp-runlevel.service", "systemd-journal-flush.service"),
    *("fstrim.timer", "logrotate.timer", "man-db.timer", "systemd-pstore.service", "postgresql.service"),
    "prometheus-postgres-exporter.service",
)
"""Units of Debian's that a machine without users, which is never updated but replaced, does without."""

UNIT = f"""\
[Unit]
Description=PostgreSQL {layout.VERSION} of a managed cluster

[Service]
Type=notify
User=postgres
RuntimeDirectory=postgresql
ExecStart={layout.PROGRAMS}/postgres -c config_file={layout.SETTINGS}/postgresql.conf
ExecReload=/bin/kill -HUP $MAINPID
KillMode=mixed
KillSignal=SIGINT
TimeoutStartSec=infinity
TimeoutStopSec=25
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
"""
METRICS = f"""\
[Unit]
Description=Metrics of a managed cluster
After={layout.SERVER_UNIT}

[Service]
User=postgres
Environment="DATA_SOURCE_NAME=host={layout.SOCKETS} port={layout.PORT} user=postgres dbname=postgres sslmode=disable"
Environment=GOMEMLIMIT=24MiB
ExecStart=/usr/bin/prometheus-postgres-exporter --log.level=error --web.listen-address=:{layout.METRICS_PORT} \
  --web.config.file={layout.METRICS}
Nice=5
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
"""
RESOLVER = Path("/etc/resolv.conf")

POOLER = """\
[Service]
LimitNOFILE=16384
Restart=always
RestartSec=1
"""
JOURNAL = "[Journal]\nStorage=volatile\nRuntimeMaxUse=16M\n"

SCRIPT = f"""
export DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8 LC_ALL=C.UTF-8
groupadd --system --gid {layout.OWNER} postgres
useradd --system --uid {layout.OWNER} --gid postgres --home-dir /var/lib/postgresql --shell /bin/bash postgres
printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d
chmod +x /usr/sbin/policy-rc.d
apt-get -qq update
apt-get -qq install -y --no-install-recommends {" ".join(PACKAGES)}
rm /usr/sbin/policy-rc.d
sed -i "s/^log_timezone.*/log_timezone = 'Etc\\/UTC'/" {layout.SETTINGS}/postgresql.conf
as_postgres="setpriv --reuid=postgres --regid=postgres --init-groups env --chdir=/"
control="$as_postgres {layout.PROGRAMS}/pg_ctl --pgdata={layout.DATA} --wait --silent"
mkdir -p {layout.SOCKETS}
chown postgres:postgres {layout.SOCKETS}
options="-c config_file={layout.SETTINGS}/postgresql.conf -c listen_addresses='' -c ssl=off"
$control start --log=/tmp/postgres.log --options="$options -c unix_socket_directories={layout.SOCKETS}"
$as_postgres {layout.PROGRAMS}/psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --host={layout.SOCKETS} <<END
ALTER ROLE postgres SET search_path = pg_catalog;
CREATE ROLE {layout.STANDBYS} NOLOGIN;
CREATE ROLE {layout.ADMIN} LOGIN CREATEDB CREATEROLE;
CREATE DATABASE {layout.DEFAULT_DATABASE} OWNER {layout.ADMIN};
END
$control stop --mode=fast
systemctl --quiet enable {layout.SERVER_UNIT} {layout.METRICS_UNIT}
systemctl --quiet disable {layout.POOLER_UNIT}
systemctl --quiet mask {" ".join(IDLE)}
systemctl --quiet set-default multi-user.target
apt-get -qq clean
rm -rf /var/lib/apt/lists/*_* /var/log/*.log /var/log/apt/* /var/log/postgresql/* /tmp/* {layout.SOCKETS}
rm -f /etc/ssl/private/ssl-cert-snakeoil.key /etc/ssl/certs/ssl-cert-snakeoil.pem
"""


def install(debian: Path, target: Path, progress: Callable[[str], None]) -> None:
    """Make ``target`` of the base ``debian`` (under a minute). Raises ``HostError``."""
    progress(f"Making the base image of PostgreSQL {layout.VERSION} (once on this machine, under a minute)")
    run(["cp", "-a", "--reflink=auto", str(debian), str(target)], timeout=600)
    for path, data in inherit.files([]).items():
        inside.write(target, path, data)
    if RESOLVER.is_file():  # with the host's network its own name server will do, also one on loopback
        inside.write(target, str(RESOLVER), RESOLVER.read_bytes())
    inside.write(target, f"/etc/systemd/system/{layout.SERVER_UNIT}", UNIT)
    inside.write(target, f"/etc/systemd/system/{layout.METRICS_UNIT}", METRICS)
    inside.write(target, f"/etc/systemd/system/{layout.POOLER_UNIT}.d/localocean.conf", POOLER)
    inside.write(target, "/etc/systemd/journald.conf.d/localocean.conf", JOURNAL)
    inside.write(target, "/etc/cloud/cloud-init.disabled", "")
    run(command(target, SCRIPT), timeout=1800)
    inside.write(target, "/etc/machine-id", "")
    (target / "etc/resolv.conf").unlink(missing_ok=True)


def command(root: Path, script: str) -> list[str]:
    """The command that runs a script of the shell in ``root``, in the machines' namespace of users.

    It has the host's network, so that it reaches archives just as the host does, also through a proxy of its own. Where
    systemd is the init it is a unit, since systemd-nspawn wants a control group that it may divide.
    """
    unit = ["systemd-run", "--quiet", "--wait", "--pipe", "--collect", "--property=Delegate=yes"]
    return [
        *(unit if cgroups.systemd_is_init() else []),
        *("systemd-nspawn", "--quiet", f"--directory={root}", f"--machine=localocean-base-{os.getpid()}"),
        *("--register=no", "--keep-unit", "--settings=no"),
        *(f"--private-users={inside.SHIFT}:65536", "--private-users-ownership=off", "--pipe", "--as-pid2"),
        *("--link-journal=no", "--resolv-conf=off", "--timezone=off"),
        *("sh", "-euc", script),
    ]
