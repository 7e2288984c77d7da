"""The admin port: health and metrics over HTTP, for the cluster only."""
