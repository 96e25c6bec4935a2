"""Request and response types of the API, shared by the gateway and the client.

The OpenAPI document is made from them. Ids are opaque strings (domain.ids), sha256 values and
fingerprints are lower-case hexadecimal, sizes are bytes, times RFC 3339 in UTC, mtimes integer
nanoseconds since 1970. Requests refuse unknown fields; clients ignore unknown fields of answers.
"""
