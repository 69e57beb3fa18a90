# SPDX-License-Identifier: Apache-2.0
"""One gRPC method served by four HTTP/2 implementations, so that they can be measured side by side."""
