"""Envoy's external authorization API over gRPC. The only code that knows protobuf and gRPC; it decides nothing."""
