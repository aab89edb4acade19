"""Services as processes of this machine: how they begin, and that none is left."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from features.errors import RecoupError
from serving import server

KEY = "a key for the tests' services"


def test_a_service_is_loaded_by_bentoml_without_what_only_its_workers_need():
    """`bentoml serve` loads the service in its supervisor too, which must not wait for models."""
    code = "import sys, serving.pricing_service, serving.dispatch_service; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pandas", "polars", "feast", "catboost", "mlflow"} & set(loaded)


def test_a_port_in_use_is_refused_by_its_number(worked, monkeypatch):
    monkeypatch.setenv("RECOUP_API_KEY", KEY)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(RecoupError, match=f"port {port} is in use"):
            server.serve_all(worked, {"recovery": port}, print)


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
def test_no_service_is_left_when_the_one_who_serves_is_told_to_end(worked, told):
    port = server.free_port()
    serve = f"server.serve_all(home.current(), {{'recovery': {port}}}, print)"
    code = f"from features import home; from serving import server; {serve}"
    environment = os.environ | {"RECOUP_HOME": str(worked.root), "RECOUP_API_KEY": KEY, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        assert f":{port}" in serving.stdout.readline()
        serving.send_signal(told)
        assert serving.stdout.read() == "stopping\n" and serving.wait(60) == 0
    server.check_port(port)


def test_serving_without_any_key_is_refused(home, monkeypatch):
    monkeypatch.delenv("RECOUP_API_KEY", raising=False)
    with pytest.raises(RecoupError, match=r"RECOUP_API_KEY is not set.*recoup key create"):
        server.start(home, "recoup_pricing:none", server.free_port(), home.reports / "x.log")
