"""Accounts: what each may do, and where."""
