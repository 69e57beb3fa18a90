"""Hypothesis without deadlines (a busy machine is no failure) and without a database beside the checkout."""

from hypothesis import settings

settings.register_profile("market", deadline=None, max_examples=200, database=None)
settings.load_profile("market")
