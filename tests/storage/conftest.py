import pytest

from storage.connect import connect


@pytest.fixture(scope="session")
def s3():
    """A server that speaks S3, on a port of its own."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["file", "s3"])
def store(request, tmp_path, monkeypatch):
    """Each store there is; a new one is one more param."""
    if request.param == "file":
        return connect(f"file://{tmp_path}/a%20store")
    import boto3

    endpoint = request.getfixturevalue("s3")
    for name, value in {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="market")
    return connect(f"s3://market/some/{tmp_path.name}?endpoint={endpoint}&region=us-east-1")
