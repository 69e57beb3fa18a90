# SPDX-License-Identifier: Apache-2.0
"""The agent of a real home: it reads a meter, bids ahead of each gate, and says afterwards what the meter counted."""
