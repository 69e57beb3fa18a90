# SPDX-License-Identifier: Apache-2.0
"""What all pages of the kit share: colours, letters and tables (`house.css`), charts in time (`live_chart.js`)."""

from importlib import resources

HOUSE_STYLE = "house.css"
LIVE_CHART = "live_chart.js"


def page_file(name: str) -> str:
    """The text of one of the shared files."""
    return resources.files(__package__).joinpath(name).read_text("utf-8")
