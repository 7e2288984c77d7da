"""Real gateways: their control planes, the real Envoy that they configure, and our service before it."""
