"""DigitalOcean's API, through python-digitalocean: what the world holds, whatever git and Terraform's state say."""

from __future__ import annotations

import base64
import functools
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qs, quote, urlsplit

import requests

from slipway.config import Cloud
from slipway.errors import PipelineError
from slipway.redaction import learn
from slipway.tools.rest import Rest

T = TypeVar("T")
C = TypeVar("C")


@dataclass(frozen=True)
class Image:
    """A private image. ``created_at`` is RFC 3339 in UTC, ``size`` in GB; tags are spelt as the API gives them."""

    id: int
    name: str
    created_at: str
    size: float
    tags: tuple[str, ...]

    def label(self, name: str) -> str:
        """The value of the tag `name:value`; empty when there is none."""
        return next((tag.partition(":")[2] for tag in self.tags if tag.startswith(f"{name}:")), "")


@dataclass(frozen=True)
class Droplet:
    """A droplet as the API lists it; ``address`` is its own public one, empty while it has none.

    ``image`` is the id of the image that it was made of, ``created_at`` RFC 3339; the prices are in USD, a month's and
    an hour's.
    """

    id: int
    name: str
    status: str
    address: str
    tags: tuple[str, ...] = ()
    created_at: str = ""
    image: int = 0
    size: str = ""
    monthly: float = 0.0
    hourly: float = 0.0


@dataclass(frozen=True)
class Size:
    """A plan for droplets, with its prices in USD, and the slugs of the regions that have it."""

    slug: str
    monthly: float
    hourly: float
    regions: tuple[str, ...] = ()
    available: bool = True


@dataclass(frozen=True)
class Volume:
    """A volume, or a snapshot of one (`kind`); ``size`` is in GB, ``attached`` whether a droplet has it."""

    id: str
    kind: str
    name: str
    created_at: str
    size: float
    tags: tuple[str, ...]
    attached: bool


@dataclass(frozen=True)
class FloatingIP:
    """A floating IP; ``droplet`` is the id of the one that it points at, None for none, and ``tags`` are that one's."""

    address: str
    region: str
    droplet: int | None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cluster:
    """A database cluster with its administrator. ``version`` is PostgreSQL's major one, ``nodes`` counts them all.

    ``host`` is reached from trusted sources anywhere, ``private_host`` from the droplets beside it; ``network`` is the
    private one's id, ``created_at`` RFC 3339.
    """

    id: str
    name: str
    status: str
    version: str
    size: str
    nodes: int
    host: str
    private_host: str
    port: int
    user: str
    password: str = field(repr=False)
    region: str = ""
    network: str = ""
    created_at: str = ""
    tags: tuple[str, ...] = ()

    def url(self, database: str) -> str:
        """How the administrator reaches a database of it from the droplets beside it. Holds the password."""
        login = f"{self.user}:{quote(self.password, safe='')}"
        return f"postgres://{login}@{self.private_host}:{self.port}/{database}?sslmode=verify-full"


class NotFound(PipelineError):
    """The cloud has nothing at a path."""


def _understood(api: type[C]) -> type[C]:
    """A class whose methods raise PipelineError for an answer that lacks what DigitalOcean's have."""

    def told(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def ask(self: Any, *args: Any, **options: Any) -> Any:
            try:
                return method(self, *args, **options)
            except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
                raise PipelineError(
                    f"{self.cloud.endpoint} gave an answer that is not as DigitalOcean's are.",
                    f"{method.__name__}: {type(error).__name__}: {error}",
                ) from error

        return ask

    for name, method in list(vars(api).items()):
        if inspect.isfunction(method) and not name.startswith("_"):
            setattr(api, name, told(method))
    return api


@_understood
class API:
    """Questions about one cloud. Every method raises PipelineError when the cloud cannot answer.

    What may be asked twice is asked again for a while (`slipway/tools/rest.py`); ``say`` hears when that is done.
    """

    def __init__(self, cloud: Cloud, say: Callable[[str], None] | None = None) -> None:
        self.cloud = cloud
        self._rest = Rest(cloud, say=say)

    def images(self) -> list[Image]:
        """All private images of the account."""
        return [
            Image(image.id, image.name, image.created_at, image.size_gigabytes or 0.0, tuple(image.tags or ()))
            for image in self._ask(lambda manager: manager.get_my_images())
        ]

    def droplets(self, tag: str | None = None) -> list[Droplet]:
        """The droplets that carry a tag; without one, all of the account."""
        found = self._data("droplets", params={"tag_name": tag} if tag else None)
        return [_droplet(each) for each in found["droplets"]]

    def droplet(self, id: int) -> Droplet | None:
        """One droplet; None when there is none of this id."""
        try:
            return _droplet(self._data(f"droplets/{id}")["droplet"])
        except NotFound:
            return None

    def create_droplet(self, order: Mapping[str, Any]) -> int:
        """Begin to make a droplet, whose name no other of its first tag has; returns its id."""
        try:
            return int(self._data("droplets", type="POST", params=dict(order))["droplet"]["id"])
        except PipelineError:
            for made in self.droplets(order["tags"][0]):
                if made.name == order["name"]:  # the answer alone was lost
                    return made.id
            raise

    def failed_actions(self, droplet: int) -> list[tuple[int, str]]:
        """Id and type of each action of a droplet that ended in an error; none for a droplet that is gone."""
        try:
            found = self._data(f"droplets/{droplet}/actions")["actions"]
        except NotFound:
            return []
        return [(action["id"], action["type"]) for action in found if action["status"] == "errored"]

    def keys(self) -> list[tuple[int, str]]:
        """Id and name of each SSH key of the account. DigitalOcean answers this ten times a minute."""
        found = self._data("account/keys")["ssh_keys"]
        return [(key["id"], key["name"]) for key in found]

    def add_key(self, name: str, public: str) -> int:
        """Put an SSH key into the account; returns its id. One of this name whose answer was lost is found again."""
        order = {"name": name, "public_key": public}
        try:
            made = self._data("account/keys", type="POST", params=order, repeatable=True)
        except PipelineError:
            if id := next((id for id, known in self.keys() if known == name), None):
                return id
            raise
        return int(made["ssh_key"]["id"])

    def sizes(self) -> dict[str, Size]:
        """The plans for droplets, by their slugs."""
        found = self._data("sizes")["sizes"]
        return {
            size["slug"]: Size(
                slug=size["slug"],
                monthly=float(size["price_monthly"]),
                hourly=float(size["price_hourly"]),
                regions=tuple(size["regions"]),
                available=bool(size["available"]),
            )
            for size in found
        }

    def tags(self) -> dict[str, int]:
        """How many things carry each tag, by its name."""
        found = self._data("tags")["tags"]
        return {tag["name"]: int(tag["resources"]["count"]) for tag in found}

    def volumes(self) -> list[Volume]:
        """The volumes of the account and their snapshots."""
        volumes = self._data("volumes")["volumes"]
        snapshots = self._data("snapshots", params={"resource_type": "volume"})
        return [
            *(_volume("volume", each, bool(each["droplet_ids"])) for each in volumes),
            *(_volume("snapshot", each, attached=False) for each in snapshots["snapshots"]),
        ]

    def remove(self, path: str) -> bool:
        """Delete what is at a path such as `droplets/7`; False when it was gone already."""
        try:
            self._data(path, type="DELETE")
        except NotFound:
            return False
        return True

    def act(self, droplet: int, type: str) -> None:
        """Begin an action of a droplet, such as `power_on`; `droplets` tells when it is done.

        A lost answer is asked for again; what is refused then, because it has begun, has begun.
        """
        path, before = f"droplets/{droplet}/actions", self._actions(droplet, type)
        try:
            self._data(path, type="POST", params={"type": type}, repeatable=True)
        except PipelineError:
            if not self._actions(droplet, type) - before:
                raise

    def _actions(self, droplet: int, type: str) -> set[int]:
        """The ids of a droplet's actions of a type."""
        found = self._data(f"droplets/{droplet}/actions")["actions"]
        return {action["id"] for action in found if action["type"] == type}

    def point(self, address: str, droplet: int) -> None:
        """Begin to move a floating IP to a droplet. Doing so twice is doing so once."""
        order = {"type": "assign", "droplet_id": droplet}
        self._data(f"floating_ips/{address}/actions", type="POST", params=order, repeatable=True)

    def floating_ips(self) -> list[FloatingIP]:
        """All floating IPs of the account."""
        found = self._ask(lambda manager: manager.get_all_floating_ips())
        droplets = [(each, each.droplet or {}) for each in found]
        return [
            FloatingIP(each.ip, each.region["slug"], droplet.get("id"), tuple(droplet.get("tags") or ()))
            for each, droplet in droplets
        ]

    def floating_ip_targets(self) -> set[int]:
        """The ids of all droplets that a floating IP points at."""
        return {each.droplet for each in self.floating_ips() if each.droplet is not None}

    def floating_ip_target(self, address: str) -> int | None:
        """The id of the droplet that a floating IP points at; None when it points at none or does not exist."""
        try:
            droplet = self._data(f"floating_ips/{address}")["floating_ip"]["droplet"]
        except NotFound:
            return None
        return droplet["id"] if droplet else None

    def live_droplet(self, tag: str) -> Droplet | None:
        """The droplet of a tag that a floating IP points at; None when there is none."""
        for floating in self.floating_ips():
            if tag in floating.tags:
                return next((d for d in self.droplets(tag) if d.id == floating.droplet), None)
        return None

    def cluster(self, name: str, tag: str) -> Cluster | None:
        """The database cluster of a name; None when there is none. Raises PipelineError when it lacks the tag."""
        same = [each for each in self.clusters() if each.name == name]
        if len(same) > 1:
            listed = ", ".join(each.id for each in same)
            raise PipelineError(f"There are {len(same)} clusters named {name}: {listed}.", "Delete the wrong one.")
        if same and tag not in same[0].tags:
            raise PipelineError(
                f"The account has a database cluster {name} that is not this environment's: it lacks the tag {tag}.",
                "It is another project's, or of a version of slipway whose names had no project in them (CHANGELOG.md)."
                " Another [project] name in slipway.toml keeps the two apart.",
            )
        return same[0] if same else None

    def clusters(self) -> list[Cluster]:
        """All database clusters of the account that are PostgreSQL's."""
        found = self._databases("").get("databases") or []
        return [_cluster(each) for each in found if each["engine"] == "pg"]

    def create_cluster(self, name: str, like: Cluster, tags: Sequence[str]) -> Cluster:
        """Begin to make a cluster of one node, else like another one and in its network."""
        wanted = {
            "name": name,
            "engine": "pg",
            "version": like.version,
            "size": like.size,
            "region": like.region,
            "num_nodes": 1,
            "tags": list(tags),
            **({"private_network_uuid": like.network} if like.network else {}),
        }
        return self.order_cluster(wanted)

    def order_cluster(self, wanted: Mapping[str, Any]) -> Cluster:
        """Begin to make a cluster; its first tag is one of the environment's own."""
        try:
            return _cluster(self._databases("", type="POST", params=dict(wanted))["database"])
        except PipelineError:
            if made := self.cluster(wanted["name"], wanted["tags"][0]):  # the answer alone was lost
                return made
            raise

    def database_options(self) -> Mapping[str, Any]:
        """The `regions`, `versions` and `layouts` (pairs of `num_nodes` and `sizes`) of PostgreSQL that can be had."""
        options: Mapping[str, Any] = self._databases("/options")["options"]["pg"]
        return options

    def trust_droplet(self, cluster: str, droplet: int) -> None:
        """Let one droplet ask a cluster, and nobody else."""
        rules = [{"type": "droplet", "value": str(droplet)}]
        self._databases(f"/{cluster}/firewall", type="PUT", params={"rules": rules})

    def delete_cluster(self, cluster: str) -> None:
        """Remove a cluster with all that is in it."""
        self._databases(f"/{cluster}", type="DELETE")

    def database_ca(self, cluster: str) -> str:
        """The certificate (PEM) of the authority that vouches for a cluster."""
        return base64.b64decode(self._databases(f"/{cluster}/ca")["ca"]["certificate"]).decode()

    def trusted_sources(self, cluster: str) -> list[tuple[str, str]]:
        """Who may ask a cluster, as pairs of type and value; everybody when there are none."""
        rules = self._databases(f"/{cluster}/firewall").get("rules") or []
        return sorted((rule["type"], rule["value"]) for rule in rules)

    def database_users(self, cluster: str) -> list[str]:
        """The names of a cluster's users."""
        return [user["name"] for user in self._databases(f"/{cluster}/users").get("users") or []]

    def database_names(self, cluster: str) -> list[str]:
        """The names of a cluster's databases."""
        return [each["name"] for each in self._databases(f"/{cluster}/dbs").get("dbs") or []]

    def _databases(self, path: str, **options: Any) -> Any:
        return self._data(f"databases{path}", **options)

    def _data(self, path: str, **options: Any) -> Any:
        import digitalocean

        try:
            return self._ask(lambda manager: manager.get_data(path, **options))
        except digitalocean.NotFoundError as error:
            raise NotFound(f"{self.cloud.endpoint} has no {path}.") from error

    def _ask(self, question: Callable[[Any], T]) -> T:
        import digitalocean

        where = self.cloud.endpoint
        os.environ.pop("DIGITALOCEAN_END_POINT", None)  # python-digitalocean refuses to be made with a bad one
        try:
            return question(_manager(self.cloud, self._rest))
        except digitalocean.DataReadError as error:
            hint = "Is DIGITALOCEAN_TOKEN right, and does it allow writing?" if "authenticate" in str(error) else ""
            raise PipelineError(f"{where} refused: {error}", hint) from error
        except digitalocean.baseapi.JSONReadError as error:
            raise PipelineError(f"{where} gave an answer that is not JSON: {error}.") from error


def _manager(cloud: Cloud, rest: Rest) -> Any:
    """python-digitalocean's manager whose calls go through ours: of its methods, those that ask for lists.

    Its own client takes proxies and .netrc from the environment, waits without an end, and tries nothing again. What it
    makes of a single thing (`get_droplet`, `get_floating_ip`) asks by that client, and is not used.
    """
    import digitalocean

    class Manager(digitalocean.Manager):  # type: ignore[misc]  # it carries no type marker
        def get_data(
            self, url: str, type: str = "GET", params: Any = None, repeatable: bool | None = None
        ) -> dict[str, Any] | bool:
            """As python-digitalocean has it: all pages in one; True for an answer without content."""
            if type != "GET":
                return _content(rest.send(type, url, body=params or {}, repeatable=repeatable))
            query: dict[str, Any] = {"per_page": 200, **(params or {})}
            found = dict(_document(rest.send("GET", url, params=query)))
            data: Mapping[str, Any] = found
            while following := ((data.get("links") or {}).get("pages") or {}).get("next"):
                query |= {name: values[-1] for name, values in parse_qs(urlsplit(following).query).items()}
                data = _document(rest.send("GET", url, params=query))
                for name, value in data.items():
                    found[name] = found[name] + value if isinstance(value, list) and name in found else value
            return found

    return Manager(token=cloud.token)


def _content(answer: requests.Response) -> dict[str, Any] | bool:
    return True if answer.status_code == 204 else _document(answer)


def _document(answer: requests.Response) -> dict[str, Any]:
    """The JSON object of an answer; raises python-digitalocean's errors for what is none, and for a refusal."""
    import digitalocean

    if answer.status_code == 404:
        raise digitalocean.NotFoundError
    try:
        data = answer.json()
    except (ValueError, RecursionError) as error:
        raise digitalocean.baseapi.JSONReadError(str(error)) from error
    if not isinstance(data, dict):
        raise digitalocean.baseapi.JSONReadError("no object")
    if not answer.ok:
        raise digitalocean.DataReadError(str(data.get("message") or f"status {answer.status_code}"))
    return data


def _droplet(data: Mapping[str, Any]) -> Droplet:
    networks = (data.get("networks") or {}).get("v4") or []
    size = data.get("size") or {}
    return Droplet(
        id=data["id"],
        name=data["name"],
        status=data["status"],
        address=next((str(each["ip_address"]) for each in networks if each["type"] == "public"), ""),
        tags=tuple(data.get("tags") or ()),
        created_at=data["created_at"],
        image=int((data.get("image") or {}).get("id") or 0),
        size=data["size_slug"],
        monthly=float(size["price_monthly"]),
        hourly=float(size["price_hourly"]),
    )


def _volume(kind: str, data: dict[str, Any], attached: bool) -> Volume:
    size = float(data.get("size_gigabytes") or 0)
    return Volume(data["id"], kind, data["name"], data["created_at"], size, tuple(data.get("tags") or ()), attached)


def _cluster(data: dict[str, Any]) -> Cluster:
    public, private = data.get("connection") or {}, data.get("private_connection") or {}
    learn(str(public.get("password") or ""))
    return Cluster(
        id=data["id"],
        name=data["name"],
        status=data["status"],
        version=str(data["version"]),
        size=data["size"],
        nodes=int(data["num_nodes"]),
        host=public.get("host", ""),
        private_host=private.get("host", ""),
        port=int(public.get("port") or 0),
        user=public.get("user", ""),
        password=public.get("password", ""),
        region=str(data.get("region") or ""),
        network=str(data.get("private_network_uuid") or ""),
        created_at=str(data.get("created_at") or ""),
        tags=tuple(data.get("tags") or ()),
    )
