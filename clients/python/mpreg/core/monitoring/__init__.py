"""See :mod:`mpreg.core.monitoring.unified_monitoring`."""
