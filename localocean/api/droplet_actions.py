"""POST /v2/droplets/{id}/actions, and the same for every droplet with a tag."""

from __future__ import annotations

from localocean.api import actions
from localocean.api.bodies import Body, Policy, Truth, Word
from localocean.api.http import Call, Reply
from localocean.api.operations import Operation, Row, made, shown
from localocean.api.schemas import TEXT, many, object_of, reference
from localocean.engine.droplet_actions import Wish
from localocean.engine.errors import Unprocessable
from localocean.store.records import DROPLET


class DropletAction(Body):
    NEEDED = ("type",)
    type: str = ""
    name: str = ""
    image: Word = ""
    size: str = ""
    disk: Truth = False
    backup_policy: Policy = None

    @property
    def wish(self) -> Wish:
        """The same for the engine."""
        given = self.model_dump(exclude={"backup_policy"})
        return Wish(**given, policy=self.backup_policy)


def create(call: Call, body: DropletAction) -> Reply:
    droplet = call.cloud.droplets.record(call.number("droplet"))
    action = call.cloud.droplet_actions.act(droplet.id, body.wish)
    return Reply(201, {"action": actions.render(action)})


def create_tagged(call: Call, body: DropletAction) -> Reply:
    tag_name = call.query.get("tag_name")
    if not tag_name:
        raise Unprocessable("tag_name is required.")
    begun = call.cloud.droplet_actions.act_on_tag(tag_name, body.wish)
    return Reply(201, {"actions": [actions.render(action) for action in begun]})


def show(call: Call) -> Reply:
    return actions.one_of_resource(call, DROPLET, call.number("droplet"))


ROUTES = [
    Row(
        "POST",
        "/v2/droplets/actions",
        create_tagged,
        Operation(
            "Do something to all droplets that carry a tag",
            201,
            object_of(actions=many(reference("action"))),
            {"tag_name": TEXT},
        ),
    ),
    Row(
        "POST",
        "/v2/droplets/{droplet}/actions",
        create,
        made("Do something to a droplet", "action", "action"),
    ),
    Row("GET", "/v2/droplets/{droplet}/actions/{action}", show, shown("Show an action of a droplet", "action")),
]
