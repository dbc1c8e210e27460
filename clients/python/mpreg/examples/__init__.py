"""The demonstrations that the client guide names. They need a server: ``MPREG_URL``, or 127.0.0.1:9001."""
