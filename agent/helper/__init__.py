"""`estrade-helper`: the few acts that need root on the mini-PC, apart from the agent, which never has it (DESIGN §8).

`serve` and `verbs` run as root and import the standard library alone; `ask` is the agent's side.
"""
