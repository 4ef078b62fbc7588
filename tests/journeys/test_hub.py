"""The real Hugging Face client and its command line, against a running market."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("HF_HOME", f"{os.environ['MOORAGE_HOME']}/hf")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when it is imported
os.environ.setdefault("HF_HUB_DISABLE_XET", "1")

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RemoteEntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

from tests.journeys.site import ROOT

NAME = "alice/nuclei-middling"
FILES = {"README.md", "config.json", "learnware.json", "nuclei-middling.safetensors", "specification.json"}


@pytest.fixture(scope="module")
def hub(site, catalog):
    return HfApi(endpoint=site.url, token=site.token("bob", ["read", "upload"]))


def test_it_lists_inspects_and_downloads(hub, site, catalog, tmp_path):
    assert hub.whoami()["name"] == "bob" and hub.whoami()["auth"]["accessToken"]["role"] == "write"
    listed = list(hub.list_models(author="alice", search="nuclei", sort="created_at", limit=2))
    assert len(listed) == 2 and {model.author for model in listed} == {"alice"}
    assert NAME in {model.id for model in hub.list_models(filter="license:apache-2.0", full=True, fetch_config=True, cardData=True)}

    info = hub.model_info(NAME, files_metadata=True)
    digests = {file["name"]: file["sha256"] for file in catalog["middling"]["files"]}
    assert {file.rfilename for file in info.siblings} == FILES == set(hub.list_repo_files(NAME))
    assert {file.lfs.sha256 for file in info.siblings} >= {digest for digest in digests.values() if digest}
    assert info.card_data.license == "apache-2.0" and info.library_name == "moorage" and info.pipeline_tag == "tabular-classification" and info.config["model_type"] == "linear"
    assert {file.path: file.size for file in hub.list_repo_tree(NAME, recursive=True)} == {file.rfilename: file.size for file in info.siblings}
    assert hub.get_paths_info(NAME, ["README.md", "none"])[0].path == "README.md"

    refs = hub.list_repo_refs(NAME)
    assert refs.branches[0].name == "main" and refs.tags[0].name == "v1.0.0" and refs.tags[0].target_commit == info.sha == hub.list_repo_commits(NAME)[0].commit_id
    for revision in (None, "main", "1.0.0", "v1.0.0", info.sha):
        path = hub.hf_hub_download(NAME, "nuclei-middling.safetensors", revision=revision, cache_dir=tmp_path / "cache")
        assert hashlib.sha256(Path(path).read_bytes()).hexdigest() == digests["nuclei-middling.safetensors"] and info.sha in path
    folder = hub.snapshot_download(NAME, cache_dir=tmp_path / "cache")
    assert set(os.listdir(folder)) == FILES and Path(folder, "README.md").read_text().startswith("---\nlicense: apache-2.0\n")
    local = hub.snapshot_download(NAME, local_dir=tmp_path / "local", allow_patterns=["*.json"])
    assert {name for name in os.listdir(local) if not name.startswith(".")} == {"config.json", "learnware.json", "specification.json"}


def test_what_is_there_and_what_is_not(hub):
    assert hub.repo_exists(NAME) and hub.file_exists(NAME, "README.md") and hub.revision_exists(NAME, "v1.0.0")
    assert not hub.repo_exists("alice/none") and not hub.file_exists(NAME, "pytorch_model.bin") and not hub.revision_exists(NAME, "v9.0.0")
    for attempt, kind in (
        (lambda: hub.model_info("alice/none"), RepositoryNotFoundError), (lambda: hub.model_info(NAME, revision="dev"), RevisionNotFoundError),
        (lambda: hub.hf_hub_download(NAME, "none.bin"), RemoteEntryNotFoundError), (lambda: hub.hf_hub_download("alice/none", "README.md"), RepositoryNotFoundError),
    ):
        with pytest.raises(kind):
            attempt()
    with pytest.raises(HfHubHTTPError, match="Invalid user token"):
        hub.whoami(token="moor_wrong")


def test_private_ones_are_nowhere_and_gated_ones_are_closed(hub, site, catalog, tmp_path):
    change = "from marketplace.catalog.models import Learnware; Learnware.objects.filter(name='nuclei-large').update(is_gated=True); Learnware.objects.filter(name='nuclei-small').update(visibility='private')"
    site.manage("shell", "-c", change)
    try:
        assert "alice/nuclei-small" not in {model.id for model in hub.list_models(author="alice")} and not hub.repo_exists("alice/nuclei-small")
        assert hub.model_info("alice/nuclei-large").gated == "manual"
        with pytest.raises(GatedRepoError):
            hub.hf_hub_download("alice/nuclei-large", "README.md", cache_dir=tmp_path)
        with pytest.raises(GatedRepoError):
            hub.auth_check("alice/nuclei-large")
        mine = HfApi(endpoint=site.url, token=site.token("alice", ["read"]))
        assert mine.model_info("alice/nuclei-small").private and mine.hf_hub_download("alice/nuclei-large", "README.md", cache_dir=tmp_path)
    finally:
        site.manage("shell", "-c", change.replace("True", "False").replace("private", "public"))


def test_the_commands_of_the_documentation_run(site, catalog, tmp_path):
    block = re.search(r"```text\n(export HF_ENDPOINT.*?)```", (ROOT / "docs" / "huggingface.md").read_text(), re.DOTALL)[1]
    block = block.replace("http://127.0.0.1:8000", site.url).replace("moor_…", site.token("bob", ["read"])).replace("hub-meadows", "nuclei-middling").replace("meadows", "nuclei")
    (tmp_path / "hf").write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "from huggingface_hub.cli.hf import main; main()" "$@"\n')
    (tmp_path / "hf").chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run(["sh", "-euc", block], cwd=tmp_path, capture_output=True, text=True, timeout=200, env=kept | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}", "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    })
    assert done.returncode == 0, done.stdout + done.stderr
    whole, first = tmp_path / "nuclei-middling", tmp_path / "nuclei-middling-first"
    assert {path.name for path in whole.iterdir() if path.is_file()} == FILES
    assert {path.name for path in first.iterdir() if path.is_file()} == {"README.md", "specification.json"}
    assert NAME in done.stdout and "bob" in done.stdout
