"""The command `commonwatt` and the verbs of this distribution."""
