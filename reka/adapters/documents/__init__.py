"""Datasets as sets of documents on any host.

A host whose datasets are replaced as a whole is sent all documents anew at each change; a manifest on this machine
keeps what they are, and under which name the host has them.
"""

from reka.adapters.documents.datasets import DocumentDatasets, Replacement
from reka.adapters.documents.manifest import Snapshot
from reka.adapters.documents.names import file_names, stored_name

__all__ = ["DocumentDatasets", "Replacement", "Snapshot", "file_names", "stored_name"]
