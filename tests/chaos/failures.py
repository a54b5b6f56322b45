"""What goes wrong: processes and machines are killed for real, and the local cloud fails as DigitalOcean does."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from tests.chaos.operations import (
    BUILD,
    CONFIRM,
    CREATE,
    EXPAND,
    LOOK_AFTER,
    MIGRATE,
    MOVE,
    RELEASES,
    REMOVE,
    SOAK,
    VERIFY,
)
from tests.chaos.scene import Nothing, Scene
from tests.e2e.checkout import NAMES

ALL = (BUILD, *RELEASES)
MAKING = ("deploy", "set", EXPAND, "rotate")
MOVING = (*MAKING, "rollback")


@dataclass(frozen=True)
class Failure:
    """Something that goes wrong. ``strike`` makes it so and returns what ends it; it raises Nothing where it cannot.

    ``steps`` are those in which it can strike, any if there are none; with ``at_once`` it waits from the start.
    ``victim`` is the droplet that suffers: live, standby or candidate. ``unfit`` means that the release which is live
    already is gone back from, by the run itself.
    """

    name: str
    operations: Collection[str]
    strike: Callable[[Scene, float], Callable[[], None]]
    steps: Collection[str] = ()
    victim: str = ""
    at_once: bool = False
    weight: float = 1
    unfit: bool = False


def _over() -> None:
    """It ended when it began."""


def _kill(what: str, number: signal.Signals = signal.SIGKILL) -> Callable[[Scene, float], Callable[[], None]]:
    def strike(scene: Scene, chance: float) -> Callable[[], None]:
        scene.processes.kill(what, number)
        return _over

    return strike


def _tear(scene: Scene, chance: float) -> Callable[[], None]:
    """The machine loses its power while the state is being written."""
    scene.processes.kill("all", signal.SIGKILL)
    state = scene.checkout.folder / ".slipway" / "local" / "terraform" / "terraform.tfstate"
    if not state.exists():
        raise Nothing("there is no state")
    data = state.read_bytes()
    state.write_bytes(data[: int(len(data) * chance)])
    return _over


def _server(scene: Scene, chance: float) -> Callable[[], None]:
    """The cloud's server dies and is back after up to four seconds."""
    scene.kill_server()
    time.sleep(chance * 4)
    scene.start_server()
    return _over


def _disk(scene: Scene, chance: float) -> Callable[[], None]:
    scene.fill_disk()
    return scene.free_disk


def _machine(victim: str, how: str) -> Callable[[Scene, float], Callable[[], None]]:
    def strike(scene: Scene, chance: float) -> Callable[[], None]:
        droplet = scene.droplet(victim)
        match how:
            case "kill":
                scene.kill_machine(droplet)
            case "power off":
                scene.act(droplet, "power_off")
            case "destroy":
                scene.delete(droplet)
            case "mute":
                return scene.fault(kind="network", effect="lost", droplet_id=droplet)
        return _over

    return strike


def _database(scene: Scene, chance: float) -> Callable[[], None]:
    """Away for up to twelve seconds, or killed, upon which the cloud starts it again."""
    if chance < 0.5:
        scene.kill_database()
        return _over
    clear = scene.fault(kind="network", effect="lost", database_id=scene.cluster()["id"])
    time.sleep((chance - 0.5) * 24)
    clear()
    return _over


def _migration(scene: Scene, chance: float) -> Callable[[], None]:
    """What migrates on the candidate, or asks for the rehearsal, is killed there."""
    scene.kill_migration()
    return _over


def _answers(status: int, method: str, path: str, count: int = 1, **more: Any) -> Callable[..., Callable[[], None]]:
    def strike(scene: Scene, chance: float) -> Callable[[], None]:
        wanted = {"kind": "response", "status": status, "method": method, "path": path, "count": count, **more}
        return scene.fault(**wanted)

    return strike


def _somewhere(scene: Scene, chance: float) -> Callable[[], None]:
    """Any call answers with an error or not at all, once or a few times."""
    dice = random.Random(chance)
    wanted = dice.choice([{"status": 429}, *_REFUSALS, *_LOSSES])
    return scene.fault(kind="response", count=dice.choice([1, 1, 2, 5]), **wanted)


def _way_back(*wanted: dict[str, Any]) -> Callable[[Scene, float], Callable[[], None]]:
    """The app of the release that is live already stops, and a call of the way back fails, once or a few times."""

    def strike(scene: Scene, chance: float) -> Callable[[], None]:
        dice = random.Random(chance)
        scene.stop_app()
        method, path = dice.choice(_CALLS_BACK)
        count = dice.choice([1, 1, 2, 4])
        return scene.fault(kind="response", method=method, path=path, count=count, **dice.choice(wanted))

    return strike


_REFUSALS: tuple[dict[str, Any], ...] = (
    {"status": 429},
    {"status": 429, "retry_after": 1},
    {"status": 500},
    {"status": 503},
    {"status": 504},
)
_LOSSES: tuple[dict[str, Any], ...] = ({"effect": "lost"}, {"effect": "silent", "seconds": 8})
_CALLS_BACK = [
    ("GET", "/v2/floating_ips/*"),
    ("GET", "/v2/floating_ips/*"),
    ("POST", "/v2/floating_ips/*/actions"),
    ("POST", "/v2/floating_ips/*/actions"),
    ("GET", "/v2/droplets*"),
    ("DELETE", "/v2/droplets/*"),
    ("GET", "/v2/images*"),
    ("GET", "/v2/databases*"),
    ("*", "/v2/account/keys*"),
    ("*", "*"),
]
"""Which calls the way back makes: of the pipeline itself, and of the provider in its apply."""


def _action(type: str) -> Callable[[Scene, float], Callable[[], None]]:
    def strike(scene: Scene, chance: float) -> Callable[[], None]:
        return scene.fault(kind="action", type=type, effect="error", reason="The hypervisor said no.")

    return strike


def _boot(**fault: Any) -> Callable[[Scene, float], Callable[[], None]]:
    return lambda scene, chance: scene.fault(kind="boot", name=NAMES.droplet("*"), **fault)


def _lost_move(scene: Scene, chance: float) -> Callable[[], None]:
    return scene.fault(kind="move", effect="lost")


LIVE = (CREATE, MIGRATE, VERIFY, MOVE, CONFIRM, REMOVE, "")
FAILURES = [
    Failure("kill invoke", ALL, _kill("invoke"), weight=3),
    Failure("kill everything", ALL, _kill("all"), weight=3),
    Failure("kill tofu", RELEASES, _kill("tofu"), weight=3),
    Failure("kill provider", RELEASES, _kill("provider"), weight=2),
    Failure("kill verification", MAKING, _kill("verification"), [VERIFY, CONFIRM, MIGRATE], weight=2),
    Failure("kill packer", (BUILD,), _kill("packer"), weight=3),
    Failure("kill packer's plugin", (BUILD,), _kill("plugin"), weight=2),
    Failure("interrupt", ALL, _kill("all", signal.SIGINT), weight=2),
    Failure("terminate", ALL, _kill("invoke", signal.SIGTERM), weight=2),
    Failure("torn state", RELEASES, _tear, weight=2),
    Failure("kill the cloud's server", ALL, _server, weight=3),
    Failure("disk full", ALL, _disk, weight=2),
    Failure("kill the candidate", MAKING, _machine("candidate", "kill"), [CREATE, MIGRATE, VERIFY, MOVE], "candidate"),
    Failure("candidate off", MAKING, _machine("candidate", "power off"), [CREATE, MIGRATE, VERIFY, MOVE], "candidate"),
    Failure(
        "candidate vanishes", MAKING, _machine("candidate", "destroy"), [CREATE, MIGRATE, VERIFY, MOVE], "candidate"
    ),
    Failure("candidate mute", MAKING, _machine("candidate", "mute"), [CREATE, MIGRATE, VERIFY, MOVE], "candidate"),
    Failure("kill the live droplet", RELEASES, _machine("live", "kill"), LIVE, "live", weight=2),
    Failure("live droplet off", RELEASES, _machine("live", "power off"), LIVE, "live"),
    Failure("live droplet vanishes", RELEASES, _machine("live", "destroy"), LIVE, "live"),
    Failure("live droplet mute", RELEASES, _machine("live", "mute"), LIVE, "live"),
    Failure("kill the standby", RELEASES, _machine("standby", "kill"), victim="standby"),
    Failure("standby vanishes", RELEASES, _machine("standby", "destroy"), victim="standby"),
    Failure("database away", RELEASES, _database, weight=2),
    Failure("kill migration", (EXPAND,), _migration, weight=3),
    Failure("table in use", (EXPAND,), lambda scene, chance: scene.use_table(), at_once=True, weight=2),
    Failure("some error", ALL, _somewhere, weight=3),
    Failure("429 on droplets", MAKING, _answers(429, "POST", "/v2/droplets"), at_once=True),
    Failure("429 with Retry-After", MAKING, _answers(429, "POST", "/v2/droplets", retry_after=2), at_once=True),
    Failure("500 on droplets", MAKING, _answers(500, "POST", "/v2/droplets"), at_once=True),
    Failure("503 on droplets", MAKING, _answers(503, "POST", "/v2/droplets"), at_once=True),
    Failure("504 on droplets", MAKING, _answers(504, "POST", "/v2/droplets"), at_once=True),
    Failure("pending event on assign", MOVING, _answers(422, "POST", "/v2/floating_ips/*/actions"), at_once=True),
    Failure("pending event on delete", RELEASES, _answers(422, "DELETE", "/v2/droplets/*"), at_once=True),
    Failure("504, yet created", MAKING, _answers(504, "POST", "/v2/droplets", effect="late"), at_once=True),
    Failure("rate limit in mid-apply", RELEASES, _answers(429, "GET", "/v2/droplets/*", 3)),
    Failure("errored create", MAKING, _action("create"), at_once=True),
    Failure("errored assign", MOVING, _action("assign_ip"), at_once=True),
    Failure("errored snapshot", (BUILD,), _action("snapshot"), at_once=True),
    Failure("slow boot", MAKING, _boot(effect="slow", seconds=8), at_once=True),
    Failure("no boot", MAKING, _boot(effect="never"), at_once=True),
    Failure("lost move", MOVING, _lost_move, at_once=True, victim="candidate"),
    *(
        Failure(f"way back, {name}", (SOAK,), _way_back(*wanted), [LOOK_AFTER], unfit=True)
        for name, wanted in {
            "429": _REFUSALS[:2],
            "500": ({"status": 500},),
            "503": ({"status": 503},),
            "504": ({"status": 504}, {"status": 504, "effect": "late"}),
            "pending event": ({"status": 422},),
            "lost answer": ({"effect": "lost"},),
            "time-out": ({"effect": "silent", "seconds": 20},),
        }.items()
    ),
]
