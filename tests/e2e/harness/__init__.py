"""What the end-to-end tests, the demo and the benchmarks stand on: a cluster, a fake API, waiting."""

from .cluster import Cluster, ServerError
from .database import Database
from .fake import Fake, Upstream
from .waiting import eventually

__all__ = ["Cluster", "Database", "Fake", "ServerError", "Upstream", "eventually"]
