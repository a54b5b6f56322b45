"""One environment's release graph, brought from what stands to a reference: judged whole first, then step by step.

The steps are those of one apply by hand, in the same order and behind the same gate. The pipeline takes them one by one
because the provider waits, for fixed times, for what the API can be asked for (docs/decisions/0022): it orders the
droplets and moves the address itself, and the plans adopt both.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from slipway.clock import SYSTEM, Clock
from slipway.environment import reference
from slipway.environment.outputs import Outputs
from slipway.environment.reference import Reference
from slipway.environment.session import Session
from slipway.errors import PipelineError
from slipway.graph import adoption, order
from slipway.graph import plan as planning
from slipway.graph.narrator import Narrator
from slipway.graph.plan import ADDRESS, ASSIGNMENT, DROPLET, KEY, USER, CurrentState, Plan
from slipway.names import user_number
from slipway.runs.ledger import Run
from slipway.tools.digitalocean import API
from slipway.tools.terraform.engine import Terraform
from slipway.traffic.edge import MOVE, FloatingIp
from slipway.verification.verified import by_gate

_LIVE = f'{ASSIGNMENT}.live["address"]'


@dataclass(frozen=True)
class Wish:
    """What a plan is made for, beside the reference: the variables of `terraform/variables.tf` that no file has."""

    made: Mapping[str, int] | None = None
    moved: str = ""
    users: Collection[str] = ()
    wanted: Collection[str] = ()

    @property
    def variables(self) -> dict[str, str]:
        """In the words of OpenTofu's environment; what is not wished for has a default."""
        given = {
            "made": {key: str(id) for key, id in (self.made or {}).items()},
            "moved": {"address": self.moved} if self.moved else {},
            "users": sorted(self.users),
            "wanted": sorted(self.wanted),
        }
        return {f"TF_VAR_{name}": json.dumps(value) for name, value in given.items() if value}


@dataclass(frozen=True)
class BootData:
    """Terraform's variables with settings and secrets for the new droplets of ``releases``, by key.

    A plan that creates any other droplet is refused.
    """

    releases: Collection[str] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


class Graph:
    """The release graph as one run applies it; ``boot_data`` is for the droplets that the run creates.

    ``evidence`` is where the gate keeps what it finds when it fails.
    """

    def __init__(
        self, session: Session, run: Run | None, evidence: Path, boot_data: BootData = BootData(), clock: Clock = SYSTEM
    ) -> None:
        self._session = session
        self._run = run
        self._clock = clock
        self._boot_data = boot_data
        self._variables = {**boot_data.variables, "SLIPWAY_EVIDENCE": str(evidence)}

    def apply(self, target: Reference, now: CurrentState) -> None:
        """Plan, say it, and do just that in one apply. Raises Refused before anything is done that must not be."""
        with self._planned(target, now) as planned:
            self._do(*planned)

    def restore(self, target: Reference, now: CurrentState) -> None:
        """The same on the way back, when the address may have moved to the live release without the state's knowing.

        A standby that the plan would create or verify is dropped with a warning: no user waits for it, and it may fail.
        """
        group = self._session.outputs().group(target.live)
        known = dict(self._session.terraform().resources()).get(ASSIGNMENT, {}).get("droplet_id")
        astray = group and now.carrying == target.live and known not in (None, group.first.id)
        wish = self._adopted(now.address, group.first.id) if group and astray else Wish()
        with self._planned(target, now, wish) as planned:
            if not (target.standby and any(each.creates and each.key == target.standby for each in planned[0].changes)):
                self._do(*planned)
                return
        self._session.progress.warn(
            f"dropping the standby {target.standby}: ./invoke deploy creates and verifies it again"
        )
        with self._planned(replace(target, standby=None), now, wish) as planned:
            self._do(*planned)

    def _do(self, plan: Plan, file: Path, engine: Terraform) -> None:
        plan.refuse()
        if plan.needed:
            self.say(plan)
            with adoption.ordering_of(self._session, plan):
                engine.apply_plan(file, Narrator(self._session.progress))

    def judge(self, target: Reference, before: Outputs, standing: Collection[str], done: str = "") -> Judged:
        """All that leads to a reference, planned as a whole before any of it is done.

        ``before`` are the outputs of the last apply, ``standing`` the releases whose droplets are there. Raises Refused
        when it must not be done, and says that nothing was changed but what was ``done`` before.
        """
        now, wanted = now_of(self._session.api, before), set(target.running) - set(standing)
        with self._planned(target, now, Wish(wanted=wanted)) as (plan, file, engine):
            plan.refuse(done)
            orders = order.of_plan(engine.show(file)) if wanted else []
        return Judged(self, plan, target, now, standing, orders)

    def step(self, target: Reference, now: CurrentState, wish: Wish = Wish()) -> None:
        """One apply of those that a judged plan takes; it is judged again, and refused with the way back to go."""
        with self._planned(target, now, wish) as (plan, file, engine):
            if plan.refused:
                raise PipelineError(plan.refusal, f"It would {plan.sentence}.")
            if plan.needed:
                engine.apply_plan(file, Narrator(self._session.progress))

    def say(self, plan: Plan) -> None:
        """Tell what is about to be done."""
        self._session.progress.say(f"  · plan: {plan.sentence}")
        if self._run:
            self._run.write("plan", text=plan.sentence)

    def orders(self, target: Reference, now: CurrentState, wanted: Collection[str]) -> Sequence[order.Order] | None:
        """The droplets that a plan would create, as requests; None when not all of them is known yet."""
        with self._planned(target, now, Wish(wanted=wanted)) as (_, file, engine):
            return order.of_plan(engine.show(file))

    def place(self, orders: Sequence[order.Order]) -> dict[str, int]:
        """Create the droplets of orders; returns their ids by release key."""
        return order.place(self._session, orders, self._clock)

    def move(self, target: Reference) -> Wish:
        """Move the address to the live release's droplet, which has passed the gate; returns how a plan adopts that."""
        outputs = self._session.outputs()
        verified = by_gate(outputs, target.live)
        with self._session.progress.step(MOVE):
            FloatingIp(self._session.api, outputs.address, self._clock).move(verified)
        return self._adopted(outputs.address, verified.group.first.id)

    def _adopted(self, address: str, droplet: int) -> Wish:
        """How a plan adopts an address that has moved, once the state has let go of where it was."""
        self._session.terraform().forget([_LIVE])
        return Wish(moved=f"{address},{droplet}")

    @contextmanager
    def _planned(
        self, target: Reference, now: CurrentState, wish: Wish = Wish()
    ) -> Iterator[tuple[Plan, Path, Terraform]]:
        """What OpenTofu would do to get to a reference, the file of it, and the engine for it; all go with the context.

        One engine plans and applies, since a host key has another text each time that it is written.
        """
        file = self._session.settings.work / "plan"
        variables = {**self._session.host_keys(target), **self._variables, **wish.variables}
        engine = self._session.terraform().using(variables)
        try:
            planned = engine.plan(var_file(self._session.settings.work, target), file)
            yield planning.read(planned, target, now, self._boot_data.releases), file, engine
        finally:
            file.unlink(missing_ok=True)


@dataclass(frozen=True)
class Judged:
    """A plan that may be carried out, and what of it the pipeline orders itself (None: not all of it is known yet)."""

    graph: Graph
    plan: Plan
    target: Reference
    now: CurrentState
    standing: Collection[str]
    orders: Sequence[order.Order] | None

    def carry_out(self, session: Session) -> None:
        """Do what was judged: make what is missing, verify it, move the address, confirm, and retire the rest.

        Raises PipelineError as soon as a step fails; what has traffic then is what had it, or what passed the gate.
        """
        if not self.plan.needed:
            return
        self.graph.say(self.plan)
        with adoption.ordering_of(session, self.plan):
            made: dict[str, int] = {}
            confirmed = self._confirmed()
            if confirmed and self._creates(ADDRESS, KEY, USER):
                self._foundation(confirmed)
            if self._creates(DROPLET):
                made = self._ordered()
            if confirmed is None or not self._moves():
                self.graph.step(self.target, self.now, Wish(made=made))
                return
            if self._creates(DROPLET, "terraform_data.migration", "terraform_data.gate"):
                running = {key: self.target.releases[key] for key in self.target.running}
                self.graph.step(confirmed.beside(running), self.now, Wish(made=made))
            moved = self.graph.move(self.target)
            self.graph.step(self.target, now_of(session.api, session.outputs()), moved)

    def _foundation(self, confirmed: Reference) -> None:
        """Make what outlives a release, or comes before its droplet: with the address, the key, and database users."""
        stands = {key: each for key, each in self.target.releases.items() if key in self.standing}
        users = {self.target.releases[key].database_user for key in self.target.running}
        wish = Wish(users={user for user in users if user_number(user) is not None})
        self.graph.step(confirmed.beside(stands), self.now, wish)

    def _ordered(self) -> dict[str, int]:
        """The droplets that are to be made; none where an apply alone knows what they are, and makes them itself."""
        orders = self.orders
        if orders is None:
            orders = self.graph.orders(self.target, self.now, set(self.target.running) - set(self.standing))
        return self.graph.place(orders or [])

    def _confirmed(self) -> Reference | None:
        """What was confirmed last, as far as it stands; None when what has the traffic has to be made anew itself."""
        confirmed = self.now.confirmed
        if confirmed.live and confirmed.live not in self.standing:
            return None
        return replace(confirmed, standby=confirmed.standby if confirmed.standby in self.standing else None)

    def _moves(self) -> bool:
        return self.target.live is not None and self._creates(ASSIGNMENT)

    def _creates(self, *kinds: str) -> bool:
        return any(each.creates and {each.kind, f"{each.kind}.{each.name}"} & set(kinds) for each in self.plan.changes)


def now_of(api: API, outputs: Outputs) -> CurrentState:
    """What stands, by the outputs of the last apply and by the cloud."""
    carrying = api.floating_ip_target(outputs.address) if outputs.address else None
    return CurrentState(outputs.confirmed, outputs.address, outputs.release_of(carrying))


def var_file(work: Path, target: Reference) -> Path:
    """The reference as a file of variables in an environment's folder."""
    path = work / "candidate.tfvars.json"
    reference.write(path, target)
    return path
