"""What is found in repositories as people have them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from slipway.scaffold import shape
from slipway.scaffold.shape import Shape
from slipway.tools.git.git import Git

GIN = """package main

import "github.com/gin-gonic/gin"

func main() {
	r := gin.Default()
	r.GET("/ping", func(c *gin.Context) { c.JSON(200, gin.H{"message": "pong"}) })
	r.Run(":9090")
}
"""
READS = 'package main\n\nimport "os"\n\nvar version = "dev"\n\nfunc main() { serve(os.Getenv("PORT"), "/healthz") }\n'


def look(root: Path, files: dict[str, str]) -> Shape:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    return shape.look(Git(root))


def test_a_small_program_in_go(tmp_path: Path) -> None:
    found = look(tmp_path, {"go.mod": "module pinger\n", "main.go": GIN})
    assert (found.programs, found.port, found.health) == ((".",), 9090, "/ping")
    assert not found.reads_port and not found.stamps


def test_several_programs_in_go_and_those_that_are_none(tmp_path: Path) -> None:
    files = {
        "go.mod": "module shop\n",
        "cmd/server/main.go": READS,
        "cmd/worker/main.go": READS,
        "examples/hello/main.go": GIN,
        "vendor/x/main.go": GIN,
        "cmd/server/main_test.go": "package main\n\nfunc main() {}\n",
        "lib/lib.go": "package lib\n",
    }
    found = look(tmp_path, files)
    assert found.programs == ("./cmd/server", "./cmd/worker")
    assert (found.reads_port, found.stamps, found.health) == (True, True, "/healthz")
    assert shape.best(found.programs, "shop") == "./cmd/server"
    assert shape.best(found.programs, "worker") == "./cmd/worker"


def test_a_module_below_the_repository(tmp_path: Path) -> None:
    found = look(tmp_path, {"backend/go.mod": "module b\n", "backend/main.go": GIN, "web/index.html": ""})
    assert found.programs == ("./backend",)


def test_a_go_file_without_a_module_is_no_program(tmp_path: Path) -> None:
    assert look(tmp_path, {"main.go": GIN}) == Shape(port=9090, health="/ping")


def test_a_python_app_with_a_procfile(tmp_path: Path) -> None:
    files = {
        "requirements.txt": "flask\ngunicorn\n",
        "Procfile": "release: ./migrate\nweb: gunicorn shop.web:app --bind 127.0.0.1:$PORT\n",
        "shop/web.py": '@app.get("/health")\ndef health(): ...\n',
        "tests/test_web.py": 'get("/readyz")\n',
    }
    found = look(tmp_path, files)
    assert found.command == "/usr/bin/python3 -m gunicorn shop.web:app --bind 127.0.0.1:${PORT}"
    assert found.build == "python3 -m pip install --quiet --target dist -r requirements.txt && cp -r shop dist/"
    assert (found.health, found.reads_port, found.settings["PYTHONPATH"]) == ("/health", True, "/opt/app")


def test_a_node_app(tmp_path: Path) -> None:
    files = {
        "package.json": '{"scripts": {"start": "node server.js"}}',
        "package-lock.json": "{}",
        "server.js": 'app.get("/up", ok); app.listen(process.env.PORT || 3000)',
    }
    found = look(tmp_path, files)
    assert (found.command, found.port, found.health) == ("/usr/bin/node server.js", 3000, "/up")
    assert found.packages == ("nodejs",) and "MemoryDenyWriteExecute" in found.loosen and "npm ci" in found.build


def test_what_only_a_dockerfile_tells(tmp_path: Path) -> None:
    first = 'FROM rust AS build\nCMD ["cargo"]\n'
    last = 'FROM debian\nEXPOSE 7000\nENTRYPOINT ["/srv/shop"]\nCMD ["--fast", "$PORT"]\n'
    found = look(tmp_path, {"Dockerfile": first + last})
    assert (found.command, found.port) == ("/srv/shop --fast '${PORT}'", 7000)


@pytest.mark.parametrize("files", [{}, {"README.md": "# Shop"}, {"package.json": "{"}])
def test_what_cannot_be_known_is_not_guessed(tmp_path: Path, files: dict[str, str]) -> None:
    found = look(tmp_path, files)
    assert found.programs == () and (not found.command or "package.json" in files)
