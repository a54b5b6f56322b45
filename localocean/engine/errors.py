"""What a caller can do wrong, in DigitalOcean's words; the HTTP room turns each class into a status code."""

from __future__ import annotations


class CloudError(Exception):
    """A request that cannot be served; `message` is shown to the caller as it is."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BadRequest(CloudError):
    """The request cannot be read at all."""


class TooLarge(CloudError):
    """The request has more bytes than any request needs."""


class Forbidden(CloudError):
    """The resource exists but is not the caller's to change."""


class NotFound(CloudError):
    """No such resource; DigitalOcean's own text, which clients compare."""

    def __init__(self, message: str = "The resource you were accessing could not be found.") -> None:
        super().__init__(message)


class Conflict(CloudError):
    """The same is being done already."""


class Precondition(CloudError):
    """Something else must be done first."""


class Unprocessable(CloudError):
    """The request can be read, but the resource's state or the values given forbid it."""


class Unsupported(CloudError):
    """An operation of DigitalOcean's that the local cloud does not have; the message names it."""


PENDING_DROPLET = "Droplet already has a pending event."
PENDING_ADDRESS = "The floating IP already has a pending event."
PENDING_EVENTS = {
    "droplet": PENDING_DROPLET,
    "floating_ip": PENDING_ADDRESS,
    "image": "Image already has a pending event.",
    "database": "The database cluster already has a pending event.",
}
