"""`estrade-controller issuer`: the one process that holds the authority's key, apart from the one that faces browsers.

`serve` and `verbs` run as its own user; `client` is the controller's side of its Unix socket.
"""
