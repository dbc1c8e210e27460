"""Where the client guide imports the pool from; it lives in :mod:`mpreg.client.pool`."""

from ...client.pool import ClientPool, create_transport_pool

__all__ = ["ClientPool", "create_transport_pool"]
