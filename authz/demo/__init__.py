"""A whole installation on loopback, to watch and to try: a real Envoy, the service, an issuer, an upstream, policies."""
