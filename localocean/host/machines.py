"""Droplets as machines: each a systemd-nspawn container with a user namespace, control group and interfaces of its own.

A machine does not depend on the process that started it. Where systemd is the init it is a transient unit, elsewhere
it has a keeper of its own (``keeper.sh``); a restarted server finds it by its control group. Reboots from inside work.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from pathlib import Path

from localocean.config import Config
from localocean.host import cgroups, proc
from localocean.host.errors import HostError
from localocean.host.inside import IDS, SHIFT
from localocean.host.run import run, spawn

SCRIPTS = Path(__file__).parent
TASKS_PER_MB = 8
"""As many as Linux itself allows by default on a machine of that memory (kernel/fork.c: set_max_threads)."""

START_TIMEOUT = 30.0
KILL_TIMEOUT = 30.0
REBOOT = 133
CONSOLE_BYTES, CONSOLE_KEPT = 8 << 20, 1 << 20
POWER_OFF = signal.SIGRTMIN + 4
"""What systemd as process 1 takes for "power off cleanly" (systemd(1), SIGNALS)."""

PROPAGATED = Path("/run/systemd/nspawn/propagate")
"""Where systemd-nspawn makes a directory for each machine, which it leaves behind when it is killed."""

NSPAWN = {
    # The droplet sees one unified hierarchy, also on hosts of the older layout, and keeps /tmp on its disk.
    "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
    "SYSTEMD_NSPAWN_TMPFS_TMP": "0",
}


@dataclass(frozen=True)
class MachineSpec:
    """A machine as it is wanted; ``root`` is its mounted disk. One that does not boot stays in emergency mode."""

    droplet_id: int
    hostname: str
    root: Path
    memory_mb: int
    vcpus: int
    public_address: IPv4Address
    private_address: IPv4Address
    address6: IPv6Address | None = None
    vpc_bridge: str = ""
    vpc_range: IPv4Network | None = None
    """The private network's bridge and range, where it is not the cloud's first."""
    boots: bool = True

    @property
    def tasks(self) -> int:
        """How many processes and threads it can have at most."""
        return self.memory_mb * TASKS_PER_MB

    @property
    def processors(self) -> list[int]:
        """The host's processors that it may use."""
        return proc.processors(self.droplet_id, self.vcpus, proc.own_processors())


class Machines:
    """The machines of one cloud. Every method can be repeated; what runs is asked of the kernel each time."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._memory: dict[int, int] = {}

    def start(self, spec: MachineSpec) -> None:
        """Boot the machine; returns when its init runs and its interfaces are attached (well under a second).

        Raises ``HostError`` with the last line of its console when it does not start.
        """
        name = self._name(spec.droplet_id)
        if cgroups.init(name) and _settle(lambda: self._begun(spec), START_TIMEOUT):
            return
        self.kill(spec.droplet_id)
        console = self.console(spec.droplet_id)
        console.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        console.write_bytes(b"")
        self._note_ipv6(spec)
        proc.write(self._proc(spec.droplet_id), spec.memory_mb, spec.processors)
        self._memory[spec.droplet_id] = spec.memory_mb
        try:
            if cgroups.systemd_is_init():
                run(unit_command(self._config, name, spec, console), timeout=START_TIMEOUT)
            else:
                self._keep(name, spec, console)
            _wait(lambda: self._begun(spec), START_TIMEOUT, f"{name} has no init")
        except HostError as error:
            self.kill(spec.droplet_id)
            said = console.read_text(errors="replace").strip().splitlines()
            reason = said[-1] if said else error.message
            raise HostError(f"Droplet {spec.droplet_id} does not start: {reason}", f"Look at {console}.") from None

    def attach(self, spec: MachineSpec) -> None:
        """Connect a running machine anew, as its addresses are now. Raises ``HostError``."""
        self._note_ipv6(spec)
        file = f"IPV6_FILE={ipv6_file(self._config, spec.droplet_id)}"
        run(["env", file, "bash", str(SCRIPTS / "attach.sh"), *attach_arguments(self._config, spec)])

    def shutdown(self, droplet_id: int, timeout: float = 30) -> bool:
        """Power off cleanly; ``False`` when the machine still runs after ``timeout`` seconds."""
        name, deadline = self._name(droplet_id), time.monotonic() + timeout
        while init := cgroups.init(name):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            # An init that is still starting does not hear the signal yet; one that is stopping does not mind it.
            _signal_and_wait(init, POWER_OFF, min(left, 2.0))
        _settle(lambda: not cgroups.processes(name), 2.0)
        self.kill(droplet_id)
        return True

    def kill(self, droplet_id: int) -> None:
        """Power off now: kill everything in the machine's control group and remove what it had on the host."""
        name = self._name(droplet_id)

        def gone() -> bool:
            cgroups.kill(name)
            return not cgroups.processes(name) and not self._kept(droplet_id)

        if cgroups.systemd_is_init() and _unit_state(name):
            cgroups.kill(name)
            run(["systemctl", "stop", f"{name}.service"], check=False)
            run(["systemctl", "reset-failed", f"{name}.service"], check=False)
        _wait(gone, KILL_TIMEOUT, f"{name} does not end")
        cgroups.remove(name)
        public, private = self._config.interfaces(droplet_id)
        for interface in (public, private):
            if Path(f"/sys/class/net/{interface}").exists():
                run(["ip", "link", "del", interface], check=False)
        run(["nft", "delete", "chain", "netdev", self._config.table, private], check=False)
        with suppress(OSError):
            (PROPAGATED / name).rmdir()

    def is_running(self, droplet_id: int) -> bool:
        """Whether the machine runs or is just rebooting."""
        init = partial(cgroups.init, self._name(droplet_id))
        if cgroups.systemd_is_init():
            return init() is not None or self._kept(droplet_id)
        return self._kept(droplet_id) or init() is not None  # a keeper is found at once, whatever the machine made

    def running(self) -> set[int]:
        """The droplets whose machines run, whoever started them; one that cannot be looked at counts as running."""
        return {droplet_id for droplet_id in self.known() if self._seems_running(droplet_id)}

    def _seems_running(self, droplet_id: int) -> bool:
        try:
            return self.is_running(droplet_id)
        except (HostError, OSError):
            return True

    def host_goes_down(self) -> bool:
        """Whether this host is being shut down, by which machines end that nobody powered off.

        Its init says so at first, and in the end nothing.
        """
        if not cgroups.systemd_is_init():
            return False
        return run(["systemctl", "is-system-running"], check=False).strip() in ("stopping", "")

    def known(self) -> set[int]:
        """The droplets that have a control group, running or just ending."""
        prefix = self._config.unit_prefix
        numbers = (name.removeprefix(prefix) for name in cgroups.names(prefix))
        return {int(number) for number in numbers if number.isdigit()}

    def traces(self) -> set[int]:
        """The droplets of which this host has anything: a control group, an interface, files."""
        prefixes = "|".join(interface[:-1] for interface in self._config.interfaces(0))
        links = (re.fullmatch(f"(?:{prefixes})([0-9a-f]+)", path.name) for path in Path("/sys/class/net").iterdir())
        files = (path.name.partition(".")[0] for path in self.console(0).parent.glob("*"))
        found = {int(link[1], 16) for link in links if link}
        return self.known() | found | {int(file) for file in files if file.isdigit()}

    def console(self, droplet_id: int) -> Path:
        """The file with what the machine printed on its console since it was started."""
        return self._config.state / "machines" / f"{droplet_id}.console"

    def trim_console(self, droplet_id: int) -> None:
        """Keep the newest part alone of what a droplet printed, once it is so much that it would fill the host."""
        with suppress(FileNotFoundError), self.console(droplet_id).open("r+b") as file:
            if file.seek(0, os.SEEK_END) > CONSOLE_BYTES:
                file.seek(-CONSOLE_KEPT, os.SEEK_END)
                kept = file.read()
                file.truncate(0)  # whoever writes appends, so it goes on behind what is put back
                file.seek(0)
                file.write(kept)

    def tell_memory(self, droplet_id: int) -> None:
        """Show in a running machine how much memory it uses now."""
        folder = self._proc(droplet_id)
        if droplet_id not in self._memory:  # of a server before this one
            self._memory[droplet_id] = proc.total_mb(folder)
        if self._memory[droplet_id]:
            proc.tell_memory(folder, self._name(droplet_id), self._memory[droplet_id])

    def hardware_addresses(self, droplet_id: int) -> dict[str, str]:
        """The hardware address of each of the machine's interfaces, by its name inside; empty when it does not run."""
        init = cgroups.init(self._name(droplet_id))
        if init is None:
            return {}
        listed = run(["nsenter", f"--net=/proc/{init}/ns/net", "ip", "-json", "link"], check=False)
        return {link["ifname"]: link["address"] for link in json.loads(listed or "[]") if "address" in link}

    def forget(self, droplet_id: int) -> None:
        """Remove the files that were kept about a machine that is no more."""
        self.console(droplet_id).unlink(missing_ok=True)
        self._lock(droplet_id).unlink(missing_ok=True)
        ipv6_file(self._config, droplet_id).unlink(missing_ok=True)
        proc.remove(self._proc(droplet_id))
        self._memory.pop(droplet_id, None)

    def _note_ipv6(self, spec: MachineSpec) -> None:
        path = ipv6_file(self._config, spec.droplet_id)
        path.write_text(f"{spec.address6} {self._config.gateway6}\n" if spec.address6 else "")

    def _proc(self, droplet_id: int) -> Path:
        return proc_folder(self._config, droplet_id)

    def _name(self, droplet_id: int) -> str:
        return f"{self._config.unit_prefix}{droplet_id}"

    def _lock(self, droplet_id: int) -> Path:
        return self._config.state / "machines" / f"{droplet_id}.lock"

    def _keep(self, name: str, spec: MachineSpec, console: Path) -> None:
        cgroups.delegate()
        extra = keeper_environment(self._config, name, spec, self._lock(spec.droplet_id))
        command = nspawn_command(self._config, name, spec)
        pinned = ["taskset", "--cpu-list", ",".join(map(str, spec.processors)), *command]
        keeper = spawn(["sh", str(SCRIPTS / "keeper.sh"), *pinned], console, extra)
        _, private = self._config.interfaces(spec.droplet_id)

        def attached() -> bool:
            if not Path(f"/proc/{keeper}").exists():
                raise HostError(f"The keeper of {name} has ended.")
            return Path(f"/sys/class/net/{private}/master").exists()

        _wait(attached, START_TIMEOUT, f"{name} has no interfaces")

    def _begun(self, spec: MachineSpec) -> bool:
        """Whether the machine's own init runs, which is not yet so while nspawn prepares, and it is attached."""
        name, (_, private) = self._name(spec.droplet_id), self._config.interfaces(spec.droplet_id)
        init = cgroups.init(name)
        if init is None and not self._kept(spec.droplet_id):
            raise HostError(f"{name} has ended.")
        return init is not None and cgroups.booted(init) and Path(f"/sys/class/net/{private}/master").exists()

    def _kept(self, droplet_id: int) -> bool:
        """Whether systemd or a keeper is at work for the machine, also between the two boots of a reboot."""
        if cgroups.systemd_is_init():
            return _unit_state(self._name(droplet_id)) is not None
        try:
            with self._lock(droplet_id).open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False


def nspawn_command(config: Config, name: str, spec: MachineSpec) -> list[str]:
    """The command that is the machine. Its interfaces' hardware addresses follow from ``name``."""
    public, private = config.interfaces(spec.droplet_id)
    return [
        *("systemd-nspawn", "--quiet", "--boot", f"--directory={spec.root}", f"--machine={name}"),
        *(f"--hostname={spec.hostname}", "--register=no", "--keep-unit", "--settings=no", "--console=read-only"),
        *(f"--private-users={SHIFT}:{IDS}", "--private-users-ownership=off"),
        *(f"--network-veth-extra={public}:eth0", f"--network-veth-extra={private}:eth1"),
        f"--bind-ro={proc_folder(config, spec.droplet_id)}:{proc.INSIDE}",
        *("--link-journal=no", "--resolv-conf=off", "--timezone=off"),
        "systemd.show_status=1",  # to init: tell the console what is being started
        *([] if spec.boots else ["--unit=emergency.target"]),
    ]


def attach_arguments(config: Config, spec: MachineSpec) -> list[str]:
    """The arguments of ``attach.sh``."""
    interfaces = config.interfaces(spec.droplet_id)
    public = (spec.public_address, config.gateway, config.anchor_address(spec.public_address))
    private = (spec.private_address, spec.vpc_range or config.vpc_range, config.table)
    return [*interfaces, spec.vpc_bridge or config.vpc_bridge, *map(str, (*public, *private))]


def ipv6_file(config: Config, droplet_id: int) -> Path:
    """Where ``attach.sh`` reads the IPv6 address of a machine that has one."""
    return config.state / "machines" / f"{droplet_id}.ipv6"


def proc_folder(config: Config, droplet_id: int) -> Path:
    """Where the files are that a machine shows in its /proc."""
    return config.state / "machines" / f"{droplet_id}.proc"


def unit_command(config: Config, name: str, spec: MachineSpec, console: Path) -> list[str]:
    """The command that makes the machine a transient unit; it returns when the machine is attached."""
    attach = " ".join(["/bin/bash", str(SCRIPTS / "attach.sh"), *attach_arguments(config, spec)])
    limits = " ".join(f"{file}={value}" for file, value in cgroups.nesting(spec.tasks).items())
    nesting = " ".join(["/bin/sh", str(SCRIPTS / "nesting.sh"), f'"{limits}"', *map(str, cgroups.groups(name))])
    properties = [
        *("Delegate=yes", "KillMode=mixed", "TimeoutStopSec=30", "OOMPolicy=continue"),
        *(f"MemoryMax={spec.memory_mb}M", "MemorySwapMax=0", f"TasksMax={spec.tasks}"),
        f"CPUAffinity={' '.join(map(str, spec.processors))}",
        *(f"CPUQuota={spec.vcpus * 100}%", f"CPUWeight={spec.vcpus * cgroups.WEIGHT}"),
        *(f"RestartForceExitStatus={REBOOT}", f"SuccessExitStatus={REBOOT}", "StartLimitIntervalSec=0"),
        *(f"StandardOutput=append:{console}", f"StandardError=append:{console}"),
        *(f"Environment={key}={value}" for key, value in NSPAWN.items()),
        f"ExecStartPost={attach}",
        f"ExecStartPost={nesting}",
    ]
    options = [f"--property={each}" for each in properties]
    options.append(f"--setenv=IPV6_FILE={ipv6_file(config, spec.droplet_id)}")
    command = ["systemd-run", "--quiet", "--collect", f"--unit={name}", "--service-type=exec", *options]
    return [*command, f"--description=Droplet {spec.hostname}", *nspawn_command(config, name, spec)]


def keeper_environment(config: Config, name: str, spec: MachineSpec, lock: Path) -> dict[str, str]:
    """What ``keeper.sh`` needs to know."""
    lines = [
        f"{hierarchy.root / name / file}={value}"
        for hierarchy in cgroups.mounted()
        for file, value in cgroups.limits(hierarchy, spec.memory_mb, spec.vcpus, spec.tasks).items()
    ]
    return NSPAWN | {
        "LOCK": str(lock),
        "GROUPS_": " ".join(str(group) for group in cgroups.groups(name)),
        "LIMITS": "\n".join(lines),
        "OWNER": str(SHIFT),
        "ATTACH": " ".join(attach_arguments(config, spec)),
        "IPV6_FILE": str(ipv6_file(config, spec.droplet_id)),
    }


def _unit_state(name: str) -> str | None:
    state = run(["systemctl", "show", "--property=ActiveState", "--value", f"{name}.service"], check=False).strip()
    return state if state in ("active", "activating", "deactivating", "reloading") else None


def _signal_and_wait(pid: int, number: int, timeout: float) -> None:
    with suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(handle, number)
            select.select([handle], [], [], timeout)
        finally:
            os.close(handle)


def _settle(condition: Callable[[], bool], timeout: float) -> bool:
    pause, deadline = 0.02, time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.2, 0.2)  # what takes long is not asked often: others are being started meanwhile
    return True


def _wait(condition: Callable[[], bool], timeout: float, complaint: str) -> None:
    if not _settle(condition, timeout):
        raise HostError(f"{complaint} after {timeout:g} seconds.")
