"""Names of upstream's package that the client guide uses with its cache manager."""
