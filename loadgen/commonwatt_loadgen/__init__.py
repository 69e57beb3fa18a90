"""HEMS agents, simulations and load generators driven by New South Wales household traces."""
