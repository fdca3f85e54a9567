"""The panel's local server."""
