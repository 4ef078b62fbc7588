import pytest

from tests.journeys import models
from tests.journeys.site import Site, wait


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("moorage"))
    site.prepare("alice", "bob", "charlie")
    try:
        site.start_web()
        site.start_worker()
        yield site
    finally:
        site.stop()


@pytest.fixture(scope="session")
def alice(site):
    return site.client(site.token("alice", ["read", "upload", "run"]))


@pytest.fixture(scope="session")
def bob(site):
    return site.client(site.token("bob", ["read", "upload", "run"]))


@pytest.fixture(scope="session")
def charlie(site):
    """Signed in, and allowed to read."""
    return site.client(site.token("charlie", ["read"]))


@pytest.fixture(scope="session")
def offer(site):
    """offer(client, files) -> the version once it is checked."""

    def send(client, files, **replace):
        files = files | replace
        model = files["model"]
        answer = client.post(
            "learnwares",
            files={
                "manifest": ("learnware.json", files["manifest"], "application/json"),
                "model": (model.name, model.read_bytes(), "application/octet-stream"),
                "specification": ("specification.json", files["specification"], "application/json"),
            },
        )
        if answer.status_code != 202:
            return answer.json() | {"http": answer.status_code}
        version = answer.json()
        path = f"learnwares/{version['owner']}/{version['name']}/{version['version']}"

        def checked():
            found = client.get(path).json()
            return found if found["status"] != "checking" else None

        return wait(checked, 90, lambda: site.log("worker"))

    return send


@pytest.fixture(scope="session")
def catalog(alice, offer, tmp_path_factory):
    """Alice's three learnwares of three formats: small, middling and large nuclei."""
    folder = tmp_path_factory.mktemp("offers")
    shelves = {"small": (0.0, 0.5, "skops"), "middling": (0.3, 0.8, "safetensors"), "large": (0.5, 1.0, "onnx")}
    versions = {}
    for name, (low, high, kind) in shelves.items():
        versions[name] = offer(alice, models.write(folder, f"nuclei-{name}", models.part(low, high), kind))
    return versions


@pytest.fixture(scope="session")
def finished(site):
    """finished(client, job) -> the job once it is over."""

    def look(client, job, seconds=180):
        def over():
            found = client.get(f"jobs/{job['id']}").json()
            return found if found["status"] in {"done", "failed", "cancelled"} else None

        return wait(over, seconds, lambda: site.log("worker"))

    return look
