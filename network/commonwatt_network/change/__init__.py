"""Changes to a running network: the difference between what runs and what is wanted, and the steps that close it."""
