"""See :mod:`mpreg.core.transport.factory`."""
