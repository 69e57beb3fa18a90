"""Self-contained HTML reports: charts as inline SVG, each with its table, for screen, print and phone."""
