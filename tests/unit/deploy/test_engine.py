"""The engine that answers is used if it can be, and engines of ours never meet."""

import http.server
import ipaddress
import json
import socketserver
import threading
from pathlib import Path
from typing import ClassVar

import pytest

from gpudock.deploy import docker_api, packages, preflight
from gpudock.deploy.engine import Engine, find_engine
from gpudock.deploy.engine_config import CDI_SPEC_DIRS, EnginePaths
from gpudock.deploy.namespace import Namespace
from gpudock.deploy.output import ProblemError


class Engines(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    answers: ClassVar[dict] = {}


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status, body = self.server.answers.get(self.path, (404, {"message": "no such thing"}))
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def address_string(self):
        return "unix"

    def log_message(self, *_):
        pass


@pytest.fixture
def engine_at(tmp_path):
    """Makes an engine that gives fixed answers, and returns its socket."""
    servers = []

    def start(answers):
        socket = tmp_path / f"engine-{len(servers)}.sock"
        server = Engines(str(socket), Answer)
        server.answers = answers
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return socket

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def answers(api="1.51", **more):
    return {
        "/version": (200, {"ApiVersion": api, "Version": "28.5.2"}),
        "/info": (200, {"DockerRootDir": "/var/lib/docker"}),
        **more,
    }


def test_where_nothing_listens_there_is_no_engine(tmp_path):
    assert find_engine(tmp_path / "docker.sock") is None


def test_a_socket_that_nobody_serves_any_more_is_no_engine(tmp_path):
    socket = tmp_path / "docker.sock"
    server = Engines(str(socket), Answer)
    server.server_close()
    assert socket.exists()
    assert find_engine(socket) is None


def test_an_engine_that_answers_is_used(engine_at):
    found = find_engine(engine_at(answers()))
    assert (found.version, found.data_root, found.started_here) == (
        "28.5.2",
        Path("/var/lib/docker"),
        False,
    )


@pytest.mark.parametrize("api", ["1.43", "1.9"])
def test_an_engine_that_is_too_old_is_refused_in_one_sentence_with_the_remedy(engine_at, api):
    with pytest.raises(ProblemError, match=r"too old.*Upgrade it to 25 or newer"):
        find_engine(engine_at(answers(api=api)))


def test_an_engine_that_fails_is_not_mistaken_for_none(engine_at):
    with pytest.raises(ProblemError, match="does not work"):
        find_engine(engine_at(answers() | {"/info": (500, {"message": "broken"})}))


def test_an_error_of_the_engine_carries_its_own_words(engine_at):
    with pytest.raises(docker_api.ApiError, match="no such thing"):
        docker_api.call(engine_at({}), "GET", "/images/none/json")


def test_the_default_socket_has_dockers_usual_places():
    for socket in (Path("/var/run/docker.sock"), Path("/run/docker.sock")):
        paths = EnginePaths.of(socket)
        assert paths.data_root == Path("/var/lib/docker")
        assert paths.namespace is None
        assert paths.cdi_spec_dirs == CDI_SPEC_DIRS


def test_two_engines_share_no_path_no_namespace_and_no_device():
    one, other = (EnginePaths.of(Path(f"/run/{name}/docker.sock")) for name in ("one", "other"))
    for part in ("data_root", "exec_root", "state", "namespace", "cdi_spec_dirs"):
        assert getattr(one, part) != getattr(other, part), part


def test_the_place_of_an_engine_is_always_the_same():
    socket = Path("/run/one/docker.sock")
    assert EnginePaths.of(socket) == EnginePaths.of(socket)


def test_names_fit_what_the_kernel_takes():
    paths = EnginePaths.of(Path("/run/a-rather-long-name-for-a-directory/of-a-socket/docker.sock"))
    own = Namespace(paths.namespace, ipaddress.IPv4Network("10.77.0.0/16"))
    assert max(len(own.outer_link), len(own.inner_link)) <= 15
    assert len(f"{paths.exec_root}/containerd/containerd.sock.ttrpc") < 108


def test_an_engines_networks_stay_clear_of_the_machines_routes():
    paths = EnginePaths.of(Path("/run/one/docker.sock"))
    free = paths.address_pool([])
    assert free == paths.address_pool(["192.168.0.0/16", "172.17.0.0/16"])
    other = paths.address_pool([str(free), "10.255.255.53"])
    assert not other.overlaps(free)
    with pytest.raises(ValueError, match="routed"):
        paths.address_pool(["10.0.0.0/8"])


def test_an_engine_of_ours_keeps_containers_alive_and_rotates_their_logs():
    paths = EnginePaths.of(Path("/run/one/docker.sock"))
    options = paths.daemon_options(Path("/prefix"), 1400, ipaddress.IPv4Network("10.77.0.0/16"))
    assert options["live-restore"] is True
    assert options["features"] == {"cdi": True}
    assert options["log-opts"]["max-size"]
    assert options["mtu"] == 1400
    assert options["bip"] == "10.77.1.1/24"
    assert options["default-address-pools"] == [{"base": "10.77.128.0/17", "size": 24}]


def lab_port(engine_at, containers):
    socket = engine_at(answers(**{"/containers/json": (200, containers)}))
    return Engine(socket, "28", Path("/"), started_here=False)


def published(port, project):
    return {
        "Names": ["/web"],
        "Ports": [{"PublicPort": port}],
        "Labels": {"com.docker.compose.project": project},
    }


def test_the_labs_own_port_is_not_in_its_way(engine_at):
    engine = lab_port(engine_at, [published(8000, "gpudock")])
    preflight.check_port(engine, "gpudock", 8000)


def test_a_port_that_another_container_has_is_refused_with_its_name(engine_at):
    engine = lab_port(engine_at, [published(8000, "another")])
    with pytest.raises(ProblemError, match=r'Port 8000 .*"web".*GPUDOCK_PORT'):
        preflight.check_port(engine, "gpudock", 8000)


def test_a_port_that_a_process_has_is_refused_with_its_name(engine_at):
    engine = lab_port(engine_at, [])
    with socketserver.TCPServer(("127.0.0.1", 0), Answer) as server:
        port = server.server_address[1]
        with pytest.raises(ProblemError, match=rf"Port {port} .*process \d+.*GPUDOCK_PORT"):
            preflight.check_port(engine, "gpudock", port)


def test_a_lab_beside_another_one_is_refused_with_its_name(engine_at):
    agent = {**published(0, "vision"), "Labels": {"gpudock.agent": "true", "gpudock.lab": "vision"}}
    engine = lab_port(engine_at, [agent])
    preflight.check_labs(engine, "vision")
    with pytest.raises(ProblemError, match=r'The lab "vision" has the GPUs .*make down'):
        preflight.check_labs(engine, "gpudock")


def test_a_full_disk_is_noticed_before_anything_is_built(engine_at, monkeypatch, tmp_path):
    engine = Engine(engine_at(answers()), "28", tmp_path, started_here=False)
    monkeypatch.setattr(preflight, "BUILD_BYTES", 2**60)
    with pytest.raises(ProblemError, match=r"needs .* are free"):
        preflight.check_disk(engine, ["gpudock/hub:0.1.0"])


def test_a_lab_whose_images_are_there_needs_no_room_for_building(engine_at, monkeypatch, tmp_path):
    socket = engine_at(answers(**{"/images/gpudock/hub:0.1.0/json": (200, {})}))
    monkeypatch.setattr(preflight, "BUILD_BYTES", 2**60)
    monkeypatch.setattr(preflight, "RUN_BYTES", 1)
    preflight.check_disk(Engine(socket, "28", tmp_path, started_here=False), ["gpudock/hub:0.1.0"])


def test_the_mirror_that_was_set_goes_before_the_machines_own():
    mirror = packages.debian_mirror({"GPUDOCK_DEBIAN_MIRROR": "http://mirror.example/debian/"})
    assert mirror == "http://mirror.example/debian"


def test_a_mirror_that_cannot_be_reached_is_one_sentence(tmp_path):
    apt = packages.PrivateApt(tmp_path, "http://127.0.0.1:9/debian", "trixie")
    with pytest.raises(ProblemError, match=r"mirror .*GPUDOCK_DEBIAN_MIRROR") as caught:
        apt.update()
    assert "\n" not in str(caught.value)
