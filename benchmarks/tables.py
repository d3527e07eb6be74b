"""The generated tables of `dialout bench`, under the name that benchmarks have for them."""

from control.bench.tables import internet_like, with_access_routes
from control.routes import Routes

__all__ = ["Routes", "internet_like", "with_access_routes"]
