"""A real Prometheus for one test: its process, and its HTTP API."""

import json
import math
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import yaml

from tests.monitoring.tools import prometheus

Series = dict[tuple[tuple[str, str], ...], list[float]]


class Api:
    """Asks a Prometheus. Whatever it does not answer well fails the test."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._client = httpx2.Client(base_url=f"{origin}/api/v1", trust_env=False, timeout=20)

    def is_ready(self) -> bool:
        """Whether it has read what it kept, and answers."""
        try:
            return self._client.get(f"{self._origin}/-/ready").status_code == 200
        except httpx2.HTTPError:
            return False

    def get(self, path: str, **given: Any) -> Any:
        answer = self._client.get(path, params=given)
        said = json.loads(answer.content)
        assert said["status"] == "success", f"{given}: {said}"
        assert not said.get("warnings"), f"{given}: {said}"
        return said["data"]

    def at(self, expr: str, when: float) -> Series:
        """Each series of an instant query, with its value; what is not a number is left out."""
        return _series((each["metric"], [each["value"]]) for each in self.get("/query", query=expr, time=when)["result"])

    def over(self, expr: str, start: float, end: float, step: float) -> Series:
        """Each series of a range query, with its values."""
        found = self.get("/query_range", query=expr, start=start, end=end, step=step)
        return _series((each["metric"], each["values"]) for each in found["result"])

    def close(self) -> None:
        self._client.close()


def _series(found: Any) -> Series:
    series = {tuple(sorted(labels.items())): [float(value) for _, value in pairs] for labels, pairs in found}
    numbers = {labels: [value for value in values if not math.isnan(value)] for labels, values in series.items()}
    return {labels: values for labels, values in numbers.items() if values}


def scrape_config(targets: Mapping[str, int], rules: Path, every: str) -> dict[str, Any]:
    """A configuration: each target by its name (label `instance`) and its port on loopback."""
    return {
        "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": "500ms"},
        "rule_files": [str(rules)],
        "scrape_configs": [
            {
                "job_name": "authz",
                "static_configs": [
                    {"targets": [f"127.0.0.1:{port}"], "labels": {"namespace": "edge", "instance": name}} for name, port in targets.items()
                ],
            },
        ],
    }


@contextmanager
def running(folder: Path, config: dict[str, Any]) -> Iterator[Api]:
    """A Prometheus on loopback, until the block ends. It needs a second before it scrapes and answers."""
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = (f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}")
    log = folder / "prometheus.log"
    with log.open("wb") as stream:
        process = subprocess.Popen([prometheus(), *words, "--log.level=warn"], stdout=stream, stderr=subprocess.STDOUT)
    api = Api(f"http://127.0.0.1:{port}")
    try:
        yield api
    except BaseException as fault:
        fault.add_note(log.read_text(encoding="utf-8"))
        raise
    finally:
        api.close()
        process.terminate()
        process.wait(10)
