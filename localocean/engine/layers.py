"""Which layers are still stood upon; the others are removed from disk."""

from __future__ import annotations

import logging
import threading
import uuid

from localocean.host.errors import HostError
from localocean.storage.disks import Disks
from localocean.store.records import IN_PROGRESS, Layer
from localocean.store.store import Store

log = logging.getLogger("localocean.layers")


class Layers:
    """A layer lives as long as a droplet, an image or a snapshot in progress needs it."""

    def __init__(self, store: Store, disks: Disks) -> None:
        self.store = store
        self.disks = disks
        self._collecting = threading.Lock()

    def reserve(self) -> str:
        """A name for a layer about to be made; to be called in the transaction that begins the snapshot."""
        return self.store.layers.add(Layer(name=uuid.uuid4().hex)).name

    def collect(self) -> None:
        """Remove what nobody needs; what cannot be removed now is tried again next time."""
        with self._collecting:
            for layer in self._unused():
                try:
                    self.disks.delete_layer(layer.name)
                except HostError as error:
                    log.error("layer %s: %s", layer.name, error)
                else:
                    self.store.layers.delete("id = ?", layer.id)

    def sweep(self) -> None:
        """Remove from disk what is not recorded, as a crash in the midst of a reset leaves it."""
        for name in self.disks.layer_names() - {layer.name for layer in self.store.layers.find()}:
            try:
                self.disks.delete_layer(name)
            except HostError as error:
                log.error("layer %s: %s", name, error)

    def _unused(self) -> list[Layer]:
        with self.store.transaction():
            used: set[str] = set()
            for droplet in self.store.droplets.find():
                used.update(droplet.layers)
            for image in self.store.images.find("NOT deleted"):
                used.update(image.layers)
            for action in self.store.actions.find("status = ?", IN_PROGRESS):
                used.update([action.args["layer"]] if "layer" in action.args else action.args.get("layers", ()))
            return [layer for layer in self.store.layers.find() if layer.name not in used]
