"""A proxy that passes nothing on: it only remembers its routes, in a file that a test can read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from jupyterhub.proxy import Proxy


class FileProxy(Proxy):
    """Its file outlives the hub, as a proxy in a container of its own does."""

    should_start = False
    file = Path("routes.json")

    async def add_route(self, routespec: str, target: str, data: dict[str, Any]) -> None:
        self._write({**self._read(), routespec: {"target": target, "data": data}})

    async def delete_route(self, routespec: str) -> None:
        self._write({spec: route for spec, route in self._read().items() if spec != routespec})

    async def get_all_routes(self) -> dict[str, dict[str, Any]]:
        return {
            spec: {"routespec": spec, **route, "data": {**route["data"]}}
            for spec, route in self._read().items()
        }

    def _read(self) -> dict[str, Any]:
        return json.loads(self.file.read_text()) if self.file.exists() else {}

    def _write(self, routes: dict[str, Any]) -> None:
        fresh = self.file.with_name(f"{self.file.name}.{os.getpid()}")
        fresh.write_text(json.dumps(routes))
        fresh.replace(self.file)
