"""Bytes that never change, named by their SHA-256. Imports none of the other packages."""

from storage.base import ArtifactDamaged, ArtifactMissing, Store, Stored
from storage.connect import connect

__all__ = ["ArtifactDamaged", "ArtifactMissing", "Store", "Stored", "connect"]
