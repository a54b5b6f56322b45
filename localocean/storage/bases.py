"""The images that the cloud offers before anybody made one: Debian, built once per machine from its own archives.

A base belongs to the shifted root (see :mod:`localocean.host.inside`), so that every droplet can stand on it as it
is. It has no host keys, no machine id and no package lists. All clouds of the machine share it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from localocean.config import Config
from localocean.host import inherit, orphans, proc, trees
from localocean.host.errors import HostError
from localocean.host.inside import IDS, NOBODY, SHIFT
from localocean.host.run import run
from localocean.storage.archives import KEYRING, SUITE, archives
from localocean.storage.databases import install

DEBIAN, POSTGRES = "debian-12-x64", "debian-12-postgres"
SLUGS = (DEBIAN,)
"""What droplets can be made of; the other is the database machines' own, made when the first one is asked for."""

RECIPES = {DEBIAN: 6, POSTGRES: 5}
"""One goes up when what follows makes another base; bases of older recipes stay for the droplets that stand on them."""

IDLE_GENERATORS = (
    *("cryptsetup", "debug", "gpt-auto", "hibernate-resume", "integritysetup", "run", "system-update", "veritysetup"),
)
"""What systemd starts at each boot and reload to look for hardware and a kernel command line: no machine has any."""

PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "libpam-systemd", "openssh-server", "cloud-init", "sudo", "python3"),
    *("ifupdown", "iproute2", "iputils-ping", "nftables", "netbase", "ca-certificates", "curl", "procps"),
    *("less", "vim-tiny", "kmod", "logrotate"),
)
CLOUD_INIT = """\
# The datasource is named, so nothing is probed; root is the user, as on DigitalOcean; the archives are the host's.
# There is no boot loader to tell of its disk.
datasource_list: [NoCloud]
disable_root: false
users: []
locale: false
ssh_genkeytypes: [ecdsa, ed25519]
apt: {preserve_sources_list: true}
grub_dpkg: {enabled: false}
"""
SSHD = """\
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
"""
FILES = {
    "etc/cloud/cloud.cfg.d/90-localocean.cfg": CLOUD_INIT,
    "etc/ssh/sshd_config.d/10-localocean.conf": SSHD,
    "etc/hostname": "debian\n",
    "etc/machine-id": "",
}
PROC_UNIT = f"""\
[Unit]
Description=Show the memory and processors of this droplet's size
DefaultDependencies=no
Before=sysinit.target
ConditionPathIsDirectory={proc.INSIDE}

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'for file in {proc.INSIDE}/*; do mount --bind "$file" "/proc/$(basename "$file")"; done'
"""
STAND_IN = Path(inherit.__file__).with_name("shared-kernel.sh")
FIRST_NAMESPACE = Path(inherit.__file__).with_name("first-namespace.txt")
"""Settings that Linux (up to 6.18) shows only in its first network namespace. A host that is a container does not see
them; a droplet at DigitalOcean can set them."""
STOOD_IN_FOR = ("swapon", "swapoff", "sysctl", "modprobe")
OURS = "usr/lib/localocean"
"""Where the programs are that have a stand-in, and the names of the settings that the kernel has."""

LEFT_OUT = (
    *("etc/ssh/ssh_host_*", "etc/resolv.conf", "var/lib/dbus/machine-id", "var/lib/systemd/random-seed"),
    *("var/log/*.log", "var/lib/apt/lists/*_*"),
)


class BaseImages:
    """The base images of this machine."""

    def __init__(self, config: Config) -> None:
        self._folder = config.cache / "bases"

    def path(self, slug: str) -> Path:
        """Where the base of ``slug`` is (to be) found. Keep it with each image: a later recipe has another."""
        if slug not in (*SLUGS, POSTGRES):
            raise HostError(f"There is no base image {slug}.", f"Choose one of {', '.join(SLUGS)}.")
        return self._folder / f"{slug}-r{RECIPES[slug]}"

    def ready(self, slug: str) -> bool:
        """Whether the base is there."""
        return self.path(slug).is_dir()

    def ensure(self, slug: str, progress: Callable[[str], None] = lambda line: None) -> Path:
        """Return the base, making it first if need be (a minute or two); one process makes, others wait.

        Raises ``HostError`` when Debian cannot be fetched or unpacked.
        """
        base = self.path(slug)
        if not base.is_dir():
            self._folder.mkdir(mode=0o711, parents=True, exist_ok=True)
            with _locked(self._folder / f".{base.name}.lock"):
                if not base.is_dir():
                    self._make(slug, base, progress)
        return base

    def _make(self, slug: str, base: Path, progress: Callable[[str], None]) -> None:
        draft = base.with_name(f".{base.name}.draft")
        orphans.end_within(draft)
        _discard(draft)
        if slug == POSTGRES:
            install(self.ensure(DEBIAN, progress), draft, progress)
        else:
            self._bootstrap(draft, progress)
        draft.rename(base)

    def _bootstrap(self, draft: Path, progress: Callable[[str], None]) -> None:
        sources = [archive.line() for archive in archives()]
        progress(f"Making the base image of Debian {SUITE} (once on this machine, about a minute)")
        text = "".join(f"{line}\n" for line in sources)
        run(bootstrap_command(draft, inherit.proxies(), bool(sources)), input=text or None, timeout=1800)
        _finish(draft)
        progress("Handing the base image over to the droplets' user namespace")
        shift(draft)


def _discard(draft: Path) -> None:
    """Remove a half-made base, and before that what a killed mmdebstrap left mounted in it."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in sorted((mount for mount in mounts if mount.startswith(f"{draft}/")), reverse=True):
        run(["umount", "--lazy", mount])
    run(["rm", "-rf", "--one-file-system", str(draft)], timeout=600)


def bootstrap_command(target: Path, proxies: Sequence[str], own_sources: bool) -> list[str]:
    """The command that unpacks Debian into ``target``; with ``own_sources`` it reads its archives from stdin."""
    aptopts = [f"--aptopt={option}" for option in proxies]
    source, key = (["-"], []) if own_sources else ([], [f"--keyring={KEYRING}"])
    packages = f"--include={','.join(PACKAGES)}"
    options = ["--mode=root", "--variant=minbase", "--format=directory", packages, *key, *aptopts]
    return ["mmdebstrap", *options, SUITE, str(target), *source]


def _finish(base: Path) -> None:
    for pattern in LEFT_OUT:
        for path in base.glob(pattern):
            path.unlink()
    for name, content in FILES.items():
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_text(content)
    for name, data in inherit.files([]).items():
        if not name.endswith("resolv.conf"):
            (base / name[1:]).parent.mkdir(parents=True, exist_ok=True)
            (base / name[1:]).write_bytes(data)
    _stand_in(base)
    generators = base / "etc/systemd/system-generators"
    generators.mkdir(parents=True, exist_ok=True)
    for name in IDLE_GENERATORS:
        (generators / f"systemd-{name}-generator").symlink_to("/dev/null")  # masked, as systemd.generator(7) says
    units = base / "etc/systemd/system"
    (units / "localocean-proc.service").write_text(PROC_UNIT)
    (units / "sysinit.target.wants").mkdir(exist_ok=True)
    (units / "sysinit.target.wants/localocean-proc.service").symlink_to("../localocean-proc.service")


def _stand_in(base: Path) -> None:
    """Put what a droplet may not do with its kernel behind a script that says so, also after an upgrade of packages."""
    (base / OURS).mkdir(parents=True)
    (base / OURS / "sysctl-keys").write_text("".join(f"{key}\n" for key in kernel_settings()))
    for name in STOOD_IN_FOR:
        moved = ["--local", "--rename", "--divert", f"/{OURS}/{name}", "--add", f"/sbin/{name}"]
        run(["chroot", str(base), "dpkg-divert", "--quiet", *moved])
        shutil.copy(STAND_IN, base / "usr/sbin" / name)
        (base / "usr/sbin" / name).chmod(0o755)


def kernel_settings(root: Path = Path("/proc/sys")) -> list[str]:
    """The names of the kernel's settings, as paths; a droplet sees some of them only."""
    found = (Path(folder, name) for folder, _, files in os.walk(root) for name in files)
    return sorted({*(str(path.relative_to(root)) for path in found), *FIRST_NAMESPACE.read_text().split()})


def shift(base: Path) -> None:
    """Give everything to the ids of the droplets' user namespace; modes and file capabilities stay.

    A file is shifted once, however many names it has; whose owner is beyond the namespace is nobody's.
    """
    shifted: set[int] = set()
    for entry in trees.below(base):
        _shift(entry.folder, entry.name, shifted)
    above = os.open(base.parent, trees.FLAGS)
    try:
        _shift(above, base.name, shifted)
    finally:
        os.close(above)


def _shift(folder: int, name: str, shifted: set[int]) -> None:
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if status.st_ino in shifted:
        return
    shifted.add(status.st_ino)
    path, capability = f"/proc/self/fd/{folder}/{name}", b""
    with suppress(OSError):
        capability = os.getxattr(path, "security.capability", follow_symlinks=False)
    os.chown(name, shifted_id(status.st_uid), shifted_id(status.st_gid), dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISLNK(status.st_mode):
        os.chmod(name, status.st_mode & 0o7777, dir_fd=folder)
    if len(capability) == 20:
        os.setxattr(path, "security.capability", shifted_capability(capability), follow_symlinks=False)


def shifted_id(number: int) -> int:
    """The host's number for a user or group of a droplet."""
    return SHIFT + (number if number < IDS else NOBODY)


def shifted_capability(value: bytes) -> bytes:
    """A file capability of revision 2 as one of revision 3, which names the root that it is of (capabilities(7))."""
    magic, *rest = struct.unpack("<5I", value)
    return struct.pack("<6I", 0x03000000 | magic & 0xFFFFFF, *rest, SHIFT)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    # Whoever can open it can lock it.
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
