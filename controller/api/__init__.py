"""The controller over HTTP: REST, live events, WHEP, pages."""
