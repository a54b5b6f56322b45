"""Verbs for what the project is built with."""

from __future__ import annotations

import os

from slipway.progress import Progress
from slipway.project import Project
from slipway.tools.terraform.provider import locked_version
from slipway.tools.toolchain import Toolchain
from slipway.verbs.verb import ROOT, verb


@verb()
def lock() -> str:
    """Choose the registry's newest DigitalOcean provider in the range of terraform/versions.tf, and lock it."""
    toolchain = Toolchain.from_environment(ROOT, os.environ, Project.load(ROOT).toolchain)
    toolchain.ensure(["opentofu"], Progress().detail)
    path = toolchain.lock_provider()
    return f"{path.relative_to(ROOT)} names the provider {locked_version(path)}: commit it."
