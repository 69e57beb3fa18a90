# SPDX-License-Identifier: Apache-2.0
"""Keys and certificates: the built-in authorities, Fabric CA's servers, and who has which identity."""
