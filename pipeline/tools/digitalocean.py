"""DigitalOcean's API, through python-digitalocean: what the world holds, whatever git and Terraform's state say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import requests

from pipeline.config import Cloud
from pipeline.errors import PipelineError
from pipeline.tools.process import environment

T = TypeVar("T")


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
    """A droplet as the API lists it; ``address`` is its own public one, empty while it has none."""

    id: int
    name: str
    status: str
    address: str


class API:
    """Questions about one cloud. Every method raises PipelineError when the cloud cannot answer."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def images(self) -> list[Image]:
        """All private images of the account."""
        return [
            Image(image.id, image.name, image.created_at, image.size_gigabytes or 0.0, tuple(image.tags or ()))
            for image in self._ask(lambda manager: manager.get_my_images())
        ]

    def droplets(self, tag: str) -> list[Droplet]:
        """The droplets that carry a tag."""
        return [
            Droplet(d.id, d.name, d.status, d.ip_address or "")
            for d in self._ask(lambda manager: manager.get_all_droplets(tag_name=tag))
        ]

    def floating_ip_target(self, address: str) -> int | None:
        """The id of the droplet that a floating IP points at; None when it points at none or does not exist."""
        import digitalocean

        try:
            droplet = self._ask(lambda manager: manager.get_floating_ip(address)).droplet
        except digitalocean.NotFoundError:
            return None
        return droplet["id"] if droplet else None

    def _ask(self, question: Callable[[Any], T]) -> T:
        import digitalocean

        where = self.cloud.endpoint
        with environment({**self.cloud.environment, "PYTHON_DIGITALOCEAN_REQUEST_TIMEOUT_SEC": "30"}):
            try:
                return question(digitalocean.Manager(token=self.cloud.token))
            except digitalocean.DataReadError as error:
                hint = "Is DIGITALOCEAN_TOKEN right, and does it allow writing?" if "authenticate" in str(error) else ""
                raise PipelineError(f"{where} refused: {error}", hint) from error
            except digitalocean.baseapi.JSONReadError as error:
                raise PipelineError(f"{where} gave an answer that is not JSON: {error}.") from error
            except requests.RequestException as error:
                raise PipelineError(f"{where} does not answer.", str(error)) from error
