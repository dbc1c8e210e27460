"""Clients: calls, publish and subscribe, pools."""
