"""A community that lives: home energy management agents on the market."""
