"""Projects: drawers for resources. Each resource is in one, at first in the default one."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from localocean.engine.errors import BadRequest, NotFound, Precondition, Unprocessable
from localocean.engine.kinds import DROPLETS, FLOATING_IPS, IN_PROJECTS
from localocean.store.records import Listing, Membership, Page, Project, now
from localocean.store.store import Store

DEFAULT_ID = str(uuid.uuid5(uuid.NAMESPACE_DNS, "default.project.localocean"))
ENVIRONMENTS = ("", "Development", "Staging", "Production")
CREATED_AT = "2023-07-20T19:23:26Z"
PURPOSES = (
    "Just trying out DigitalOcean",
    "Class project / Educational purposes",
    "Website or blog",
    "Web Application",
    "Service or API",
    "Mobile Application",
    "Machine learning / AI / Data processing",
    "IoT",
    "Operational / Developer tooling",
)
OTHER_PURPOSE = "Other: "
KINDS = (
    *("app", "database", "dbaas", "domain", "droplet", "firewall", "floatingip", "image", "kubernetes"),
    *("loadbalancer", "reservedip", "space", "volume"),
)
"""The kinds of resources, as URNs spell them, that a project of DigitalOcean takes."""

NAME_LENGTH, DESCRIPTION_LENGTH, PURPOSE_LENGTH = 175, 255, 255
ADDRESS, DROPLET = FLOATING_IPS.urn_of(""), DROPLETS.urn_of("")
ASSIGNED, ALREADY_ASSIGNED, MISSING, OK = "assigned", "already_assigned", "not_found", "ok"


@dataclass(frozen=True)
class Resource:
    """A resource in a project, by its URN."""

    urn: str
    assigned_at: str
    status: str = OK


class Projects:
    """Droplets, floating IPs and databases can be put into projects; there is nothing else here.

    A floating IP that points at a droplet is where that is, and goes where that goes.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def seed(self) -> None:
        """Record the default project."""
        with self.store.transaction():
            if not self.store.projects.count("is_default"):
                self.store.projects.add(
                    Project(
                        uuid=DEFAULT_ID,
                        name="local",
                        description="Everything in the local cloud",
                        purpose="Other: rehearsal",
                        environment="Development",
                        is_default=True,
                        created_at=CREATED_AT,
                        updated_at=CREATED_AT,
                    )
                )

    def page(self, page: Page) -> Listing[Project]:
        return self.store.projects.page(page)

    def get(self, reference: str) -> Project:
        """By id, or `default`. Raises NotFound."""
        found = (
            self.store.projects.first("is_default")
            if reference == "default"
            else self.store.projects.first("uuid = ?", reference)
        )
        if found is None:
            raise NotFound
        return found

    def create(self, values: dict[str, Any]) -> Project:
        """Raises Unprocessable."""
        with self.store.transaction():
            self._check({"name": "", "purpose": "", **values})
            return self.store.projects.add(replace(Project(uuid=str(uuid.uuid4())), **_with_purpose(values)))

    def update(self, reference: str, values: dict[str, str], is_default: bool | None) -> Project:
        """Change what is given. Raises NotFound, Unprocessable."""
        with self.store.transaction():
            project = self.get(reference)
            self._check({name: value for name, value in values.items() if value != getattr(project, name)})
            if is_default is False and project.is_default:
                raise Unprocessable("there must be a default project: make another one the default")
            if is_default and not project.is_default:
                self._make_default(project)
            self.store.projects.update(project.id, **_with_purpose(values), updated_at=now())
        return self.get(project.uuid)

    def delete(self, reference: str) -> None:
        """Raises NotFound, and Precondition for the default project and for one with resources."""
        with self.store.transaction():
            project = self.get(reference)
            if project.is_default:
                raise Precondition("cannot delete the default project")
            if self.resources(project.uuid):
                raise Precondition("cannot delete a project with resources")
            self.store.memberships.delete("project = ?", project.uuid)
            self.store.projects.delete("id = ?", project.id)

    def resources(self, reference: str) -> list[Resource]:
        """What is in a project, droplets first. Raises NotFound."""
        project = self.get(reference)
        members = {member.urn: member for member in self.store.memberships.find()}
        found = []
        for urn, created_at in self._everything():
            member = members.get(self._bearer(urn))
            if member and member.project == project.uuid:
                found.append(Resource(urn, member.assigned_at))
            elif member is None and project.is_default:
                found.append(Resource(urn, created_at))
        return found

    def assign(self, reference: str, urns: Iterable[str]) -> list[Resource]:
        """Put resources into a project, out of wherever they are; each answer says how it went.

        Raises NotFound, BadRequest for a kind that no project takes, and Precondition for a floating IP whose droplet
        is in another project and not put here too.
        """
        wanted = list(urns)
        for urn in wanted:
            _check_kind(urn)
        with self.store.transaction():
            project = self.get(reference)
            answers = {urn: self._put(project, urn) for urn in sorted(wanted, key=_after_droplets)}
        return [answers[urn] for urn in wanted]

    def file(self, urn: str, reference: str) -> None:
        """Put a new resource into the project that its order names. Raises Unprocessable."""
        try:
            self.assign(reference, [urn])
        except NotFound:
            raise Unprocessable("project_id: there is no such project") from None

    def of(self, urn: str) -> str:
        """The id of the project that a resource is in."""
        member = self.store.memberships.first("urn = ?", self._bearer(urn))
        return member.project if member else self.get("default").uuid

    def _put(self, project: Project, urn: str) -> Resource:
        canonical = urn.replace("do:reservedip:", ADDRESS, 1)
        if canonical not in dict(self._everything()):
            return Resource(canonical, now(), MISSING)
        if self.of(canonical) == project.uuid:
            return Resource(canonical, now(), ALREADY_ASSIGNED)
        if self._bearer(canonical) != canonical:
            raise Precondition("Cannot move a Reserved IP with an associated Droplet. Move the Droplet instead")
        self.store.memberships.delete("urn = ?", canonical)
        return Resource(
            canonical, self.store.memberships.add(Membership(project=project.uuid, urn=canonical)).assigned_at, ASSIGNED
        )

    def _bearer(self, urn: str) -> str:
        """The resource that decides where this one is: of a floating IP the droplet at which it points, if any."""
        if not urn.startswith(ADDRESS):
            return urn
        ip = self.store.floating_ips.first("address = ?", urn.removeprefix(ADDRESS))
        return f"{DROPLET}{ip.droplet_id}" if ip and ip.droplet_id else urn

    def _make_default(self, project: Project) -> None:
        """What was in the default project because it was nowhere else stays where it is."""
        former = self.get("default")
        for resource in self.resources(former.uuid):
            if not self.store.memberships.first("urn = ?", resource.urn):
                self.store.memberships.add(Membership(project=former.uuid, urn=resource.urn))
        self.store.projects.update(former.id, is_default=False)
        self.store.projects.update(project.id, is_default=True)

    def _everything(self) -> list[tuple[str, str]]:
        """The URN of each resource, and since when it is there."""
        return [found for kind in IN_PROJECTS.values() for found in kind.urns(self.store)]

    def _check(self, values: dict[str, str]) -> None:
        for name, most in (("name", NAME_LENGTH), ("purpose", PURPOSE_LENGTH), ("description", DESCRIPTION_LENGTH)):
            if name != "description" and values.get(name) == "":
                raise Unprocessable(f"{name} is required")
            if len(values.get(name, "")) > most:
                raise Unprocessable(f"{name} is too long (maximum is {most} characters)")
        if values.get("environment", "") not in ENVIRONMENTS:
            raise Unprocessable("environment must be one of Development, Staging, Production")
        if "name" in values and self.store.projects.first("name = ?", values["name"]):
            raise Unprocessable("name is already in use")


def _with_purpose(values: dict[str, Any]) -> dict[str, Any]:
    """The values with a purpose of the user's own marked as such, as DigitalOcean stores it."""
    purpose = values.get("purpose")
    if not purpose or purpose in PURPOSES or purpose.startswith(OTHER_PURPOSE):
        return values
    return {**values, "purpose": f"{OTHER_PURPOSE}{purpose}"}


def _check_kind(urn: str) -> None:
    """Raises BadRequest for a URN of a kind that no project takes, such as a VPC's."""
    scheme, _, rest = urn.partition(":")
    kind, _, name = rest.partition(":")
    if scheme != "do" or kind not in KINDS or not name:
        raise BadRequest(f"{urn!r} cannot be in a project: resource types must be one of {', '.join(KINDS)}")


def _after_droplets(urn: str) -> bool:
    return not urn.startswith(DROPLET)
