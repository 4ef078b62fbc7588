"""A first look at an upload: its structure alone, in the web process, before anything is kept."""

import tempfile
from pathlib import Path

from django.core.files.uploadedfile import UploadedFile

from marketplace.errors import Refused
from reuse import ReuseError, formats
from reuse.manifest import Manifest


def identify(model: UploadedFile, read: Manifest) -> str:
    """The format of the uploaded file, which must be the one that the manifest names; raises Refused otherwise."""
    found = format_of(model, read.model["file"])
    if found != read.format:
        raise Refused("signature-lies", f"learnware.json says that the model is {read.format}; the file is {found}.",
                      hint="Correct model.format.", fields={"model.format": f"The file is {found}."})
    return found


def format_of(model: UploadedFile, name: str = "") -> str:
    """The format by structure; raises Refused with a reason code and the command that converts."""
    name = name or model.name
    try:
        if hasattr(model, "temporary_file_path"):
            return formats.identify(model.temporary_file_path(), name)
        with tempfile.NamedTemporaryFile() as file:
            model.seek(0)
            while part := model.read(1 << 20):
                file.write(part)
            file.flush()
            return formats.identify(Path(file.name), name)
    except ReuseError as error:
        raise Refused(error.code, error.message, hint=error.hint, fields={"model": error.message}) from None
